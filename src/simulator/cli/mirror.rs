//! Keeps the bookings of a running stand-in API like those that notifications tell of.

use anyhow::Context as _;

use crate::simulator::notifications::{Change, Generated};
use crate::simulator::world::Booking;

/// A stand-in API in another process.
pub(super) struct Mirror {
    http: reqwest::Client,
    bookings_url: String,
}

impl Mirror {
    pub(super) fn new(api_url: &str) -> Self {
        let base = api_url.trim_end_matches('/');
        let bookings_url = format!("{base}/_simulator/bookings");
        Self { http: reqwest::Client::new(), bookings_url }
    }

    /// Before the notification, or its reader would ask too early. Addresses and services stay as they
    /// are: an earlier notification may be read after they are gone.
    pub(super) async fn reflect(&self, notification: &Generated) -> anyhow::Result<()> {
        for change in &notification.changes {
            if let Change::Booking(booking) = change {
                self.put(booking).await?;
            }
        }
        Ok(())
    }

    /// A booking is now this.
    pub(super) async fn put(&self, booking: &Booking) -> anyhow::Result<()> {
        let request = self
            .http
            .put(format!("{}/{}", self.bookings_url, booking.id))
            .header("content-type", "application/json")
            .body(serde_json::to_string(booking)?);
        let answer = request.send().await.and_then(reqwest::Response::error_for_status);
        answer.context("cannot tell the API of a booking")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::api::Simulator;
    use crate::simulator::notifications::{Generator, GeneratorOptions};

    #[tokio::test]
    async fn the_api_knows_the_bookings_of_what_was_told() {
        crate::tls::install_provider();
        let api = Simulator::start(<_>::default()).await.unwrap();
        let mirror = Mirror::new(&format!("{}/", api.base_url()));
        let mut world = api.world(|world| world.clone());
        let told = Generator::new(1, &world.clone(), GeneratorOptions::default()).take(300);

        for notification in told {
            mirror.reflect(&notification).await.unwrap();
            notification.apply_to(&mut world);
        }

        let bookings = |world: &crate::simulator::world::World, address: &str| {
            world.bookings_of(address).cloned().collect::<Vec<_>>()
        };
        for address in ["410150", "410151"] {
            let expected = bookings(&world, address);
            assert!(expected.len() > 20);
            assert_eq!(api.world(|world| bookings(world, address)), expected);
        }
    }
}
