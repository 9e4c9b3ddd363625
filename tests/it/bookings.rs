//! Docplanner's API asked for one booking: what it is now, and where.

mod dialects;
mod following;
mod patience;

use std::{sync::Arc, time::Duration};

use docplanner_worker::{
    clock,
    config::LimitSettings,
    docplanner::{
        ApiBooking, ApiBookings, ApiClient, ApiError, ApiSettings, Bookings, Patience, TenantApi,
        http_client,
    },
    health::Parts,
    metrics::Metrics,
    notification::Visit,
    private::Secret,
    simulator::{
        api::{Dialect, Options, Simulator},
        world::Booking,
    },
    tls,
};

use crate::support::clinic;

/// Requests for any booking.
const BOOKINGS: &str = "GET /bookings/*$";
/// Requests for a doctor's addresses.
const ADDRESSES: &str = "GET /addresses$";

/// A booking to be paid, with a video call, at [`clinic::ONLINE_PAYMENT`].
const PAID: &str = "77";
const VIDEO_CALL: &str = "https://call.example/77";

/// The API, and who asks it, without a worker around.
struct Api {
    docplanner: Simulator,
    client: Arc<ApiClient>,
    metrics: Arc<Metrics>,
}

impl Api {
    /// That of the specification, with the booking [`PAID`].
    async fn begin() -> Self {
        tls::install_provider();
        let options = Options { world: clinic::world(), ..Options::default() };
        let docplanner = Simulator::start(options).await.unwrap();
        let start_at = "2026-05-01T10:00:00+02:00".parse().unwrap();
        let booking = Booking::new(PAID, clinic::ONLINE_PAYMENT, start_at);
        let booking = booking.with_payment("new").with_video_call(VIDEO_CALL);
        docplanner.world(|world| world.insert_booking(booking));
        let settings = ApiSettings {
            tenant: "acme".to_owned(),
            base_url: docplanner.base_url().parse().unwrap(),
            client_id: "demo".to_owned(),
            client_secret: Secret::new("secret").into(),
            limits: LimitSettings::default(),
        };
        let metrics = Arc::new(Metrics::new(["acme"]));
        let client =
            ApiClient::new(settings, http_client().unwrap(), clock::system, Arc::clone(&metrics));
        Self { docplanner, client: Arc::new(client), metrics }
    }

    async fn speaking(dialect: Dialect) -> Self {
        let api = Self::begin().await;
        api.docplanner.set_dialect(dialect);
        api
    }

    /// Has found out which scopes the API takes, and counts from zero again.
    async fn acquainted() -> Self {
        let api = Self::begin().await;
        api.ask(PAID).await.unwrap();
        api.docplanner.forget_requests();
        api
    }

    /// Asks for a booking at the address of [`PAID`].
    async fn ask(&self, booking: &str) -> Result<ApiBooking, ApiError> {
        self.ask_at(&visit(booking), Patience::Usual).await
    }

    async fn ask_once(&self, booking: &str, longest: Duration) -> Result<ApiBooking, ApiError> {
        self.ask_at(&visit(booking), Patience::Once(longest)).await
    }

    async fn ask_at(&self, visit: &Visit, patience: Patience) -> Result<ApiBooking, ApiError> {
        let api = TenantApi { client: Arc::clone(&self.client), flags_ttl: Duration::ZERO };
        ApiBookings.booking(&api, visit, patience).await
    }

    fn requests(&self) -> u64 {
        self.docplanner.count(BOOKINGS)
    }

    /// How many requests for a booking have ended so, by the metrics.
    fn counted(&self, status: &str) -> String {
        let text = self.metrics.render(Parts::default());
        let labels = format!("tenant=\"acme\",operation=\"booking\",status=\"{status}\"");
        let series = format!("docplanner_worker_api_requests_total{{{labels}}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&series));
        value.unwrap_or_else(|| panic!("no {series}")).to_owned()
    }
}

fn visit(booking: &str) -> Visit {
    visit_at(clinic::ONLINE_PAYMENT, booking)
}

fn visit_at(address: &str, booking: &str) -> Visit {
    Visit {
        facility_id: "1".to_owned(),
        doctor_id: "123".to_owned(),
        address_id: address.to_owned(),
        booking_id: booking.to_owned(),
    }
}

/// `Unknown`, whatever the status.
#[track_caller]
fn assert_unknown(answer: &Result<ApiBooking, ApiError>) {
    assert!(matches!(answer, Err(ApiError::Unknown { .. })), "{answer:?}");
}
