//! Bookings that are made, moved and canceled: three notifications each.

use chrono::Utc;
use lapin::BasicProperties;
use serde_json::{Value, json};

use crate::load::{BODY_BYTES, Load};

/// Notifications of a chain.
const STEPS: u32 = 3;

/// The ids of the bookings that others are moved to are higher by that.
const MOVED: u64 = 1_000_000_000;

pub(super) struct Chains {
    bookings: Load,
    /// How many chains take turns. As many notifications are between two of one chain.
    together: u32,
}

impl Chains {
    pub(super) fn taking_turns(together: u32) -> Self {
        Self { bookings: Load::usual(0), together }
    }

    /// How many events come of so many notifications, which are whole rounds.
    pub(super) fn events(notifications: u32) -> u32 {
        // A cancellation of what is not paid yet says so, too.
        notifications + notifications / STEPS / 2
    }

    /// So many that every chain is complete, and not fewer than asked for.
    pub(super) fn whole_rounds(&self, notifications: u32) -> u32 {
        notifications.next_multiple_of(STEPS * self.together)
    }

    /// The notification of this number.
    pub(super) fn notification(&self, index: u32) -> anyhow::Result<(Vec<u8>, BasicProperties)> {
        let round = index / (STEPS * self.together);
        let chain = round * self.together + index % self.together;
        let (body, properties) = self.bookings.notification(chain);
        let step = index % (STEPS * self.together) / self.together;
        if step == 0 {
            return Ok((body, properties));
        }
        let mut body: Value = serde_json::from_slice(&body)?;
        let data = &mut body["data"];
        let old = data["visit_booking"].take();
        let mut new = old.clone();
        let id = self.bookings.first_booking + MOVED + u64::from(chain);
        new["id"] = id.to_string().into();
        if step == 1 {
            body["name"] = "booking-moved".into();
            let data = body["data"].as_object_mut();
            if let Some(data) = data {
                data.remove("visit_booking");
                data.extend([
                    ("old_visit_booking".to_owned(), without_comment(old)),
                    ("new_visit_booking".to_owned(), without_comment(new)),
                ]);
            }
        } else {
            new["status"] = "canceled".into();
            new["canceled_by"] = "user".into();
            new["canceled_at"] = Utc::now().to_rfc3339().into();
            data["visit_booking"] = new;
            body["name"] = "booking-canceled".into();
        }
        Ok((body.to_string().into_bytes(), properties))
    }
}

/// There are two of them, and one remark is enough for [`BODY_BYTES`].
fn without_comment(mut booking: Value) -> Value {
    const { assert!(BODY_BYTES < 2_000) };
    booking["comment"] = json!("");
    booking
}
