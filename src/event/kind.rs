//! The kinds of event, their names, and what each of them tells.

use schemars::JsonSchema;

/// The kinds of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, JsonSchema)]
pub enum EventKind {
    /// A slot was booked.
    BookingCreated,
    /// A booking was canceled.
    BookingCanceled,
    /// A booking was moved: `booking` is the new one, `previous_booking` the old one.
    BookingMoved,
    /// A patient or the clinic confirmed a booking.
    BookingConfirmed,
    /// It was noted whether the patient came.
    BookingPresenceMarked,
    /// Docplanner told another status of a payment.
    PaymentStatusChanged,
    /// A break was put into a doctor's calendar.
    BreakCreated,
    /// A break was moved.
    BreakMoved,
    /// A break was removed.
    BreakRemoved,
    /// A service was added to an address.
    AddressServiceCreated,
    /// A service of an address was changed.
    AddressServiceChanged,
    /// A service was removed from an address.
    AddressServiceDeleted,
    /// The commercial type of an address was changed.
    AddressCommercialTypeChanged,
    /// An address was assigned to the integration: from now on its bookings are told.
    AddressAssigned,
    /// An address was taken out of the integration.
    AddressUnassigned,
    /// A kind of notification that this version does not know, as it came.
    NotificationUnrecognized,
    /// A visit is paid. One of paid and not paid is told for each chain of bookings.
    PaymentPaid,
    /// A visit was not paid, and does not take place.
    PaymentNotPaid,
    /// The patient got the money back.
    PaymentRefunded,
    /// The bank took the money back.
    PaymentChargedBack,
    /// A video call begins in `reminder.before_seconds`.
    VideoCallReminderDue,
}

impl EventKind {
    /// Every kind of event.
    pub const ALL: [EventKind; 21] = [
        EventKind::BookingCreated,
        EventKind::BookingCanceled,
        EventKind::BookingMoved,
        EventKind::BookingConfirmed,
        EventKind::BookingPresenceMarked,
        EventKind::PaymentStatusChanged,
        EventKind::BreakCreated,
        EventKind::BreakMoved,
        EventKind::BreakRemoved,
        EventKind::AddressServiceCreated,
        EventKind::AddressServiceChanged,
        EventKind::AddressServiceDeleted,
        EventKind::AddressCommercialTypeChanged,
        EventKind::AddressAssigned,
        EventKind::AddressUnassigned,
        EventKind::NotificationUnrecognized,
        EventKind::PaymentPaid,
        EventKind::PaymentNotPaid,
        EventKind::PaymentRefunded,
        EventKind::PaymentChargedBack,
        EventKind::VideoCallReminderDue,
    ];

    /// `{entity}.{action}`, the end of the routing key and the middle of the event's type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            EventKind::BookingCreated => "booking.created",
            EventKind::BookingCanceled => "booking.canceled",
            EventKind::BookingMoved => "booking.moved",
            EventKind::BookingConfirmed => "booking.confirmed",
            EventKind::BookingPresenceMarked => "booking.presence_marked",
            EventKind::PaymentStatusChanged => "payment.status_changed",
            EventKind::BreakCreated => "break.created",
            EventKind::BreakMoved => "break.moved",
            EventKind::BreakRemoved => "break.removed",
            EventKind::AddressServiceCreated => "address_service.created",
            EventKind::AddressServiceChanged => "address_service.changed",
            EventKind::AddressServiceDeleted => "address_service.deleted",
            EventKind::AddressCommercialTypeChanged => "address.commercial_type_changed",
            EventKind::AddressAssigned => "address.assigned",
            EventKind::AddressUnassigned => "address.unassigned",
            EventKind::NotificationUnrecognized => "notification.unrecognized",
            EventKind::PaymentPaid => "payment.paid",
            EventKind::PaymentNotPaid => "payment.not_paid",
            EventKind::PaymentRefunded => "payment.refunded",
            EventKind::PaymentChargedBack => "payment.charged_back",
            EventKind::VideoCallReminderDue => "video_call.reminder_due",
        }
    }

    /// The CloudEvents type, with the version of its data.
    #[must_use]
    pub fn event_type(self) -> String {
        format!("docplanner.{}.v1", self.name())
    }

    /// The URN of the schema of its data.
    #[must_use]
    pub fn dataschema(self) -> String {
        format!("urn:docplanner-worker:{}:v1", self.name())
    }

    /// The sections that its `data` has beside those of every event.
    #[must_use]
    pub fn sections(self) -> &'static [&'static str] {
        match self {
            EventKind::BookingCreated
            | EventKind::BookingCanceled
            | EventKind::BookingConfirmed
            | EventKind::PaymentPaid
            | EventKind::PaymentNotPaid
            | EventKind::PaymentRefunded
            | EventKind::PaymentChargedBack => &["booking", "payment", "video_call"],
            EventKind::BookingMoved => &["booking", "previous_booking", "payment", "video_call"],
            EventKind::BookingPresenceMarked => &["booking", "presence", "payment", "video_call"],
            EventKind::PaymentStatusChanged => {
                &["booking", "payment", "payment_change", "video_call"]
            }
            EventKind::VideoCallReminderDue => &["booking", "payment", "video_call", "reminder"],
            EventKind::BreakCreated | EventKind::BreakMoved | EventKind::BreakRemoved => &["break"],
            EventKind::AddressServiceCreated
            | EventKind::AddressServiceChanged
            | EventKind::AddressServiceDeleted => &["service"],
            EventKind::AddressCommercialTypeChanged
            | EventKind::AddressAssigned
            | EventKind::AddressUnassigned => &[],
            EventKind::NotificationUnrecognized => &["name", "raw"],
        }
    }
}
