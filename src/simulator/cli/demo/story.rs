//! What happens at the guide's clinic: two calendars, payments, a video call, and their order.

use anyhow::{Context as _, ensure};
use chrono::{DateTime, FixedOffset, SubsecRound as _, TimeDelta, Utc};
use serde_json::Value;

use super::event::Event;
use super::heading;
use super::partner::Partner;
use crate::simulator::cli::mirror::Mirror;
use crate::simulator::cli::publisher::Publisher;
use crate::simulator::notifications::{Generated, Teller};
use crate::simulator::world::{Booking, Country, World};

const REGULAR: &str = "123";
const ONLINE: &str = "234";
/// The service of this id exists at both addresses.
const VISIT: &str = "112233";

const ONSITE_QUEUE: &str = "partner.onsite";
const ONLINE_QUEUE: &str = "partner.online.payment";

/// The clinic's settings in `tests/demo` have a reminder ten seconds before a call: this lets it come
/// while the payments are waited for.
const CALL_BEGINS_IN: TimeDelta = TimeDelta::seconds(14);

pub(super) struct Story<'a> {
    pub(super) relay: &'a mut Publisher,
    pub(super) partner: &'a mut Partner,
    pub(super) api: Mirror,
    teller: Teller,
    delivered: u64,
    heard: u64,
}

/// What is worth seeing in an event of a scene.
type View = fn(&Value) -> String;

/// An event that has to come: its queue, its short type, its sequence, and what is seen in it.
struct Expected<'a>(&'static str, &'static str, u32, &'a str);

impl<'a> Story<'a> {
    pub(super) fn new(relay: &'a mut Publisher, partner: &'a mut Partner, api: Mirror) -> Self {
        Self { relay, partner, api, teller: Teller::new(World::guide()), delivered: 0, heard: 0 }
    }

    /// Gives one of the events, worth reading in full.
    pub(super) async fn tell(mut self) -> anyhow::Result<Event> {
        let before = self.partner.settled().await?;
        heading("The same visit booked at both addresses: two calendars, two identifiers");
        self.two_calendars().await?;
        heading("Visits to be paid (the window is 3 s here, not 90 min), and a video call");
        let example = self.decided_by_notification().await?;
        self.decided_by_time().await?;
        heading("Booked, moved, canceled: one partitionkey, counted");
        self.one_after_another().await?;
        self.partner.until_counted(before, self.delivered, self.heard).await?;
        match self.partner.left_over() {
            Some(event) => Err(anyhow::anyhow!("nobody expected {}", event.in_words())),
            None => Ok(example),
        }
    }

    async fn two_calendars(&mut self) -> anyhow::Result<()> {
        columns("calendar and service of the partner");
        for (id, address, queue, seen) in [
            ("6263715", REGULAR, ONSITE_QUEUE, "onsite, calendar 1, service 1"),
            ("6263716", ONLINE, ONLINE_QUEUE, "online, calendar 2, service 1"),
        ] {
            let booked = self.teller.booked(&booking(id, address));
            let name = format!("service {VISIT} at address {address}");
            let created = Expected(queue, "booking.created", 1, seen);
            self.hear(&name, booked, id, calendar, &[created]).await?;
        }
        Ok(())
    }

    async fn decided_by_notification(&mut self) -> anyhow::Result<Event> {
        columns("payment");
        let call = "https://call.example.com/6263717";
        let paid = to_pay("6263717").with_video_call(call);
        let example = self.booked_to_pay(&paid).await?;
        let told = self.teller.paid(&paid, now());
        let expected = [
            Expected(ONLINE_QUEUE, "payment.status_changed", 2, "paid"),
            Expected(ONLINE_QUEUE, "payment.paid", 3, "paid (status_event)"),
        ];
        self.hear("the patient pays", told, &paid.id, payment, &expected).await?;

        let unpaid = to_pay("6263718");
        self.booked_to_pay(&unpaid).await?;
        let told = self.teller.canceled(&unpaid, now());
        let expected = [
            Expected(ONLINE_QUEUE, "booking.canceled", 2, "pending"),
            Expected(ONLINE_QUEUE, "payment.not_paid", 3, "not_paid (booking_canceled)"),
        ];
        self.hear("canceled while it is pending", told, &unpaid.id, payment, &expected).await?;
        Ok(example)
    }

    /// Nobody tells any more of these: the worker looks by itself.
    async fn decided_by_time(&mut self) -> anyhow::Result<()> {
        let [silent, failed] = ["6263719", "6263720"].map(to_pay);
        self.booked_to_pay(&silent).await?;
        self.api.put(&Booking { visit_payment: None, ..silent.clone() }).await?;
        self.booked_to_pay(&failed).await?;
        self.api.put(&failed.clone().with_payment("failed")).await?;
        let call = "https://call.example.com/6263721";
        let start_at = now() + CALL_BEGINS_IN;
        let remote = Booking { start_at, ..booking("6263721", ONLINE) }.with_video_call(call);
        let created = Expected(ONLINE_QUEUE, "booking.created", 1, call);
        let told = self.teller.booked(&remote);
        self.hear("a video call in 14 s", told, &remote.id, video_call, &[created]).await?;

        let paid = Expected(ONLINE_QUEUE, "payment.paid", 2, "paid (window_elapsed)");
        self.next("time passes, the API is silent", &silent.id, payment, &paid).await?;
        let not_paid = Expected(ONLINE_QUEUE, "payment.not_paid", 2, "not_paid (api_status)");
        self.next("time passes, the API says failed", &failed.id, payment, &not_paid).await?;
        let seen = format!("10 s before {call}");
        let reminder = Expected(ONLINE_QUEUE, "video_call.reminder_due", 2, &seen);
        self.next("time passes", &remote.id, video_call, &reminder).await?;
        Ok(())
    }

    async fn one_after_another(&mut self) -> anyhow::Result<()> {
        columns("booking");
        let first = booking("6263722", REGULAR);
        let start_at = first.start_at + TimeDelta::days(1);
        let end_at = first.end_at + TimeDelta::days(1);
        let second = Booking { id: "6263723".to_owned(), start_at, end_at, ..first.clone() };
        let chain = first.id.as_str();

        let told = self.teller.booked(&first);
        let created = Expected(ONSITE_QUEUE, "booking.created", 1, "6263722");
        self.hear("booked", told, chain, booking_ids, &[created]).await?;
        let told = self.teller.moved(&first, &second, now());
        let moved = Expected(ONSITE_QUEUE, "booking.moved", 2, "6263723, was 6263722");
        self.hear("moved to the next day", told, chain, booking_ids, &[moved]).await?;
        let told = self.teller.canceled(&second, now());
        let canceled = Expected(ONSITE_QUEUE, "booking.canceled", 3, "6263723");
        self.hear("canceled", told, chain, booking_ids, &[canceled]).await?;
        Ok(())
    }

    async fn booked_to_pay(&mut self, booking: &Booking) -> anyhow::Result<Event> {
        let told = self.teller.booked(booking);
        let created = Expected(ONLINE_QUEUE, "booking.created", 1, "pending");
        self.hear("booked", told, &booking.id, payment, &[created]).await
    }

    /// Delivers a notification, waits for its events, and gives the last.
    async fn hear(
        &mut self,
        name: &str,
        notification: Option<Generated>,
        chain: &str,
        view: View,
        expected: &[Expected<'_>],
    ) -> anyhow::Result<Event> {
        let notification = notification.context("the guide's clinic has no such address")?;
        self.api.reflect(&notification).await?;
        self.relay.publish(&notification).await?;
        self.delivered += 1;
        let mut last = None;
        for expected in expected {
            let name = if last.is_none() { name } else { "" };
            last = Some(self.next(name, chain, view, expected).await?);
        }
        last.context("nothing was expected")
    }

    /// Waits for an event that a notification or time brings.
    async fn next(
        &mut self,
        name: &str,
        chain: &str,
        view: View,
        expected: &Expected<'_>,
    ) -> anyhow::Result<Event> {
        let event = self.partner.event_of(chain).await?;
        self.heard += 1;
        show(name, &event, view, expected)?;
        Ok(event)
    }
}

/// Booked now, for the day after tomorrow.
fn booking(id: &str, address: &str) -> Booking {
    let now = now();
    Booking {
        service_id: Some(VISIT.to_owned()),
        booked_at: now,
        ..Booking::new(id, address, now + TimeDelta::days(2))
    }
}

fn to_pay(id: &str) -> Booking {
    booking(id, ONLINE).with_payment("new")
}

fn now() -> DateTime<FixedOffset> {
    Country::Poland.local(Utc::now()).trunc_subsecs(0)
}

fn columns(seen: &str) {
    line("", "queue", "event", "partitionkey", "sequence", seen);
}

fn show(name: &str, event: &Event, view: View, expected: &Expected<'_>) -> anyhow::Result<()> {
    let seen = view(&event.body["data"]);
    let (kind, sequence) = (event.short_type(), event.sequence());
    let key = event.partition_key();
    line(name, event.queue, kind, key, &sequence.to_string(), &seen);
    let Expected(queue, expected_kind, expected_sequence, expected_seen) = expected;
    ensure!(
        (event.queue, kind, sequence, seen.as_str())
            == (*queue, *expected_kind, *expected_sequence, *expected_seen),
        "expected was {queue}, {expected_kind}, {expected_sequence}, {expected_seen}"
    );
    Ok(())
}

fn line(name: &str, queue: &str, kind: &str, key: &str, sequence: &str, seen: &str) {
    println!("  {name:<33} {queue:<23} {kind:<24} {key:<13} {sequence:>8}  {seen}");
}

fn calendar(data: &Value) -> String {
    let modality = text(&data["modality"]);
    let calendar = text(&data["address"]["partner_id"]);
    let service = text(&data["booking"]["service"]["partner_id"]);
    format!("{modality}, calendar {calendar}, service {service}")
}

fn payment(data: &Value) -> String {
    let payment = &data["payment"];
    let status = text(&payment["status"]);
    payment["basis"].as_str().map_or(status.to_owned(), |basis| format!("{status} ({basis})"))
}

fn video_call(data: &Value) -> String {
    let url = text(&data["video_call"]["url"]);
    let before = data["reminder"]["before_seconds"].as_u64();
    before.map_or(url.to_owned(), |seconds| format!("{seconds} s before {url}"))
}

fn booking_ids(data: &Value) -> String {
    let id = text(&data["booking"]["id"]);
    let previous = data["previous_booking"]["id"].as_str();
    previous.map_or(id.to_owned(), |previous| format!("{id}, was {previous}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}
