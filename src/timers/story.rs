//! The story of one timer, as that of a delivery: due → look up → its turn → decide → publish → close.
//!
//! A timer takes a place in its booking's chain only for the moment of publishing, so that whatever happens to the
//! booking meanwhile never waits for an API that does not answer.

use std::time::{Duration, Instant};

use super::{Fate, Timer, TimerStore};
use crate::{
    broker::Publisher,
    docplanner::{Addresses, ApiBooking, ApiError, Bookings, Patience, Urgency},
    effects::{Effects, Purpose, Reminder, TimerKind},
    event::{Event, EventKind, ReminderData},
    inbox::{Claim, Closing, Inbox, Lease, Request},
    normalize::{AddressFacts, normalize},
    notification::{
        Booking, Chain, Content, Fact, IdempotencyKey, Notification, Place, Role, Visit,
    },
    payment::{self, Basis, Due, Payment, PaymentState},
    pipeline::Pipeline,
    retry::Prospect,
    route::Route,
    tenants::Tenant,
    video::{self, Still},
};

/// Somebody else is working on the chain; that takes milliseconds.
const CHAIN_IS_BUSY: Duration = Duration::from_secs(1);

/// The number of a lease that nobody had before.
const FIRST_LEASE: i32 = 1;

/// The tenant is not configured here; another process may know it, or this one after a while.
const TENANT_IS_UNKNOWN: Duration = Duration::from_mins(10);

impl<I: Inbox, A: Addresses, B: Bookings, P: Publisher> Pipeline<I, A, B, P> {
    /// Fires a timer. Dropping the future gives up: the timer fires again once its lease has run out.
    pub async fn fire(&self, timer: &Timer, store: &impl TimerStore) -> Fate {
        let Some(tenant) = self.tenants.now().of_id(&timer.tenant) else {
            return Fate::Postponed { by: TENANT_IS_UNKNOWN, looked: false };
        };
        let asked = self.bookings.booking(&tenant.api, &timer.visit, Patience::Usual).await;
        let fired = match &timer.purpose {
            Purpose::Payment { looks, decided } => {
                self.look(timer, &tenant, asked, *looks, *decided, store).await
            }
            Purpose::Reminder(reminder) => {
                self.remind(timer, &tenant, asked, reminder, store).await
            }
        };
        fired.unwrap_or_else(|postponed| postponed)
    }

    /// The window is over: was the visit paid?
    async fn look(
        &self,
        timer: &Timer,
        tenant: &Tenant,
        asked: Result<ApiBooking, ApiError>,
        looks: u32,
        decided: Option<(PaymentState, Basis)>,
        store: &impl TimerStore,
    ) -> Result<Fate, Fate> {
        let booking = match asked {
            Ok(booking) => Some(booking),
            Err(ApiError::Unknown { .. }) => None,
            Err(_) if decided.is_some() => None,
            // Nothing is guessed.
            Err(_) => return Err(self.again(timer)),
        };
        let told = booking.as_ref().map(|told| (&told.booking, told.payment_status.as_ref()));
        let decision = match decided {
            Some(decision) => decision,
            None => match payment::due(told, looks) {
                Due::Outcome(state, basis) => (state, basis),
                Due::LookAgain => {
                    let by = tenant.profile.payment.grace.max(CHAIN_IS_BUSY);
                    return Err(Fate::Postponed { by, looked: true });
                }
            },
        };
        let facts = self.facts(timer, tenant, booking.as_ref()).await?;
        let lease = self.turn_of(timer, store).await?;
        let known = lease.payment.clone();
        let is_pending = known.as_ref().is_some_and(|p| p.state == PaymentState::Pending);
        if !is_pending {
            return Ok(self.nothing_to_tell(timer, lease, store).await);
        }
        let Some((state, basis)) = store.decide(timer, &lease, decision).await else {
            return Err(self.again(timer));
        };
        let due_at = known.and_then(|payment| payment.due_at);
        let payment = Payment { state, basis: Some(basis), due_at };
        let kind = EventKind::of_outcome(state);
        let mut event = self.event(kind, timer, tenant, booking.as_ref(), &facts, &lease);
        event.tell_payment(&payment);
        let effects = Effects {
            payment: Some(payment),
            cancel: vec![TimerKind::Payment],
            ..Effects::default()
        };
        let route = tenant.route(&event, &facts);
        self.publish_timely(timer, lease, event, &route, effects).await
    }

    /// A video call begins soon.
    async fn remind(
        &self,
        timer: &Timer,
        tenant: &Tenant,
        asked: Result<ApiBooking, ApiError>,
        reminder: &Reminder,
        store: &impl TimerStore,
    ) -> Result<Fate, Fate> {
        let booking = asked.ok();
        let told = booking.as_ref().map(|told| {
            let booking = &told.booking;
            (booking.start_at, booking.is_canceled(), booking.videocall_url.is_some())
        });
        if video::still(reminder, told, (self.clock)()) == Still::Pointless {
            let lease = self.turn_of(timer, store).await?;
            return Ok(self.nothing_to_tell(timer, lease, store).await);
        }
        let facts = self.facts(timer, tenant, booking.as_ref()).await.unwrap_or_default();
        let lease = self.turn_of(timer, store).await?;
        // Told meanwhile: canceled, or moved.
        if !store.is_set(timer).await {
            return Ok(self.nothing_to_tell(timer, lease, store).await);
        }
        let kind = EventKind::VideoCallReminderDue;
        let mut event = self.event(kind, timer, tenant, booking.as_ref(), &facts, &lease);
        event.data.reminder = Some(ReminderData { before_seconds: reminder.before_seconds });
        if let Some(payment) = &lease.payment {
            event.tell_payment(payment);
        }
        let route = tenant.route(&event, &facts);
        self.publish_timely(timer, lease, event, &route, Effects::default()).await
    }

    /// The address's flags, for the routing. Without them nothing is published before its time.
    async fn facts(
        &self,
        timer: &Timer,
        tenant: &Tenant,
        booking: Option<&ApiBooking>,
    ) -> Result<AddressFacts, Fate> {
        let visit = booking.map_or(&timer.visit, |told| &told.visit);
        match self.addresses.facts(&tenant.api, &place(visit), Urgency::Due).await {
            Ok(facts) => Ok(facts),
            Err(error) if is_unanswered(&error) => Err(self.again(timer)),
            Err(_) => Ok(AddressFacts::default()),
        }
    }

    /// The lease, if nobody else of the chain is being worked on.
    async fn turn_of(&self, timer: &Timer, store: &impl TimerStore) -> Result<Lease, Fate> {
        let request = request(timer);
        let Some(answer) = self.inbox.claim(&request).await else { return Err(self.again(timer)) };
        match answer.claim {
            Claim::Acquired(lease) => Ok(lease),
            // Published, and the answer was lost.
            Claim::Done => {
                store.remove(timer).await;
                Err(Fate::Pointless)
            }
            Claim::Held | Claim::Behind { .. } | Claim::Conflict | Claim::Refused => {
                Err(Fate::Postponed { by: CHAIN_IS_BUSY, looked: false })
            }
        }
    }

    /// The event as if a notification had told of it.
    fn event(
        &self,
        kind: EventKind,
        timer: &Timer,
        tenant: &Tenant,
        told: Option<&ApiBooking>,
        facts: &AddressFacts,
        lease: &Lease,
    ) -> Event {
        let key = request(timer).key;
        let visit = told.as_ref().map_or(&timer.visit, |told| &told.visit);
        let booking = told
            .as_ref()
            .map_or_else(|| Booking::unknown(&timer.visit.booking_id), |told| told.booking.clone());
        let notification = Notification {
            created_at: Some(timer.due_at.fixed_offset()),
            place: place(visit),
            fact: Fact::BookingConfirmed(booking),
        };
        let partner = self.mappings.partner_ids(&timer.tenant, &notification);
        let (position, profile) = (&lease.position, &tenant.profile);
        match normalize(&notification, &key, position, facts, &partner, profile) {
            Some(event) => event.and_so(kind, &key, position.sequence),
            None => unreachable!("a confirmation is a fact"),
        }
    }

    async fn publish_timely(
        &self,
        timer: &Timer,
        lease: Lease,
        event: Event,
        route: &Route,
        effects: Effects,
    ) -> Result<Fate, Fate> {
        let started = Instant::now();
        let published = tokio::select! {
            published = self.publisher.publish_event(&event, route, None) => published.is_ok(),
            () = tokio::time::sleep_until(lease.ends_at.into()) => false,
        };
        self.metrics.stage("publish", started);
        if published {
            return Ok(self.done(timer, lease, vec![event], effects).await);
        }
        // Soon, however late it is: it may have been published, so the others of its chain wait for it.
        let by = CHAIN_IS_BUSY;
        self.inbox.close(lease, Closing::Release { back_in: by }).await;
        Err(Fate::Postponed { by, looked: false })
    }

    /// Gives the turn back. Who had it before may have published, and then its sequence is used.
    async fn nothing_to_tell(&self, timer: &Timer, lease: Lease, store: &impl TimerStore) -> Fate {
        if lease.number == FIRST_LEASE {
            return self.done(timer, lease, Vec::new(), Effects::default()).await;
        }
        if !self.inbox.close(lease, Closing::Abandon).await {
            return self.again(timer);
        }
        store.remove(timer).await;
        Fate::Pointless
    }

    async fn done(
        &self,
        timer: &Timer,
        lease: Lease,
        events: Vec<Event>,
        effects: Effects,
    ) -> Fate {
        let effects = Effects { fired: Some(timer.id), ..effects };
        let closing = Closing::Complete { events: events.len(), effects };
        match (self.inbox.close(lease, closing).await, events.is_empty()) {
            // Somebody else has it by now, and does the same.
            (false, _) => self.again(timer),
            (true, false) => Fate::Published,
            (true, true) => Fate::Pointless,
        }
    }

    /// Once more, the later the longer it has not worked.
    fn again(&self, timer: &Timer) -> Fate {
        let late = ((self.clock)() - timer.due_at).to_std().unwrap_or_default();
        let by = (late / 4).clamp(Duration::from_secs(2), Duration::from_mins(10));
        Fate::Postponed { by, looked: false }
    }
}

/// Whether another try could give another answer. An API that refuses for good is an answer.
fn is_unanswered(error: &ApiError) -> bool {
    match error.prospect() {
        Prospect::Never(_) => false,
        Prospect::Later(..) | Prospect::Wait(_) | Prospect::Behind(_) => true,
    }
}

fn request(timer: &Timer) -> Request {
    Request {
        key: IdempotencyKey::of_timer(&timer.tenant, timer.id),
        content: Content::none(),
        chain: Chain {
            subject: timer.chain,
            partition_key: timer.visit.booking_id.clone(),
            moves_to: None,
            role: Role::Unknown,
            ends_at: Some(timer.due_at.fixed_offset()),
        },
        told_at: None,
        retried_at: None,
        tries: true,
    }
}

fn place(visit: &Visit) -> Place {
    let mut place = Place::default();
    place.facility.id = Some(visit.facility_id.clone());
    place.doctor.id = Some(visit.doctor_id.clone());
    place.address.id = Some(visit.address_id.clone());
    place
}
