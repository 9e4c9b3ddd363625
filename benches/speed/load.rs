//! Notifications as Docplanner's relay sends them, and the clinic that they come from.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use docplanner_worker::simulator::world::{Address, Doctor, Facility, World};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use serde_json::{Value, json};

/// Every body has exactly this many bytes.
pub(crate) const BODY_BYTES: usize = 1500;

/// A duplicate repeats what came so many notifications before: later than a window, so that the first is complete.
const REPEATED_AFTER: u32 = 5_000;

const FIRST_ADDRESS: u32 = 410_000;
const FIRST_DOCTOR: u32 = 160_000;
const FIRST_FACILITY: u32 = 226_000;

/// What is sent in a run.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// How many notifications.
    pub(crate) messages: u32,
    /// The id of the first booking: a database that lives on never sees one twice.
    pub(crate) first_booking: u64,
    /// When all of it happened: a repeat has to be the same bytes.
    pub(crate) told_at: DateTime<Utc>,
    /// The notifications go round these. Half of them are online, half take payments, in all four combinations.
    pub(crate) addresses: u32,
    /// Two addresses each, like most; where every address shall cost a request of its own, one.
    pub(crate) addresses_of_a_doctor: u32,
    /// Each has a facility, which the addresses are dealt to.
    pub(crate) tenants: u32,
    /// One in so many notifications repeats an earlier one.
    pub(crate) duplicate_every: Option<u32>,
}

impl Load {
    /// What most scenarios send.
    pub(crate) fn usual(messages: u32) -> Self {
        Self {
            messages,
            first_booking: 7_000_000_000,
            told_at: Utc::now(),
            addresses: 500,
            addresses_of_a_doctor: 2,
            tenants: 1,
            duplicate_every: None,
        }
    }

    /// How many events come of it.
    pub(crate) fn events(&self) -> u32 {
        let is_new = |index: &u32| self.repeats(*index).is_none();
        u32::try_from((0..self.messages).filter(is_new).count()).unwrap_or(u32::MAX)
    }

    /// Which earlier notification this one repeats.
    fn repeats(&self, index: u32) -> Option<u32> {
        let is_duplicate = self.duplicate_every.is_some_and(|every| index % every == every - 1);
        // One before the original, which is then no duplicate itself.
        let original = index.checked_sub(REPEATED_AFTER + 1)?;
        is_duplicate.then_some(original)
    }

    /// The names of the tenants.
    pub(crate) fn tenant_names(&self) -> impl Iterator<Item = String> {
        (0..self.tenants).map(|nth| format!("clinic-{nth}"))
    }

    /// The facility of a tenant.
    pub(crate) fn facility(tenant: u32) -> String {
        (FIRST_FACILITY + tenant).to_string()
    }

    /// All that the API is asked about.
    pub(crate) fn world(&self) -> World {
        let mut world = World::empty();
        for tenant in 0..self.tenants {
            let facility = Self::facility(tenant);
            world.insert_facility(Facility::new(&facility, "Centrum Medyczne Przykład"));
        }
        for nth in 0..self.addresses {
            let [facility, doctor, address] = self.whereabouts(nth);
            if world.doctor(&doctor).is_none() {
                world.insert_doctor(Doctor::new(&doctor, &facility, "Henryk", "Mikulski"));
            }
            let address = Address::new(&address, &doctor, &facility);
            let address = if is_online(nth) { address.online() } else { address };
            world.insert_address(if takes_payments(nth) {
                address.with_payments()
            } else {
                address
            });
        }
        world
    }

    /// Facility, doctor and address of the address of this number.
    fn whereabouts(&self, nth: u32) -> [String; 3] {
        let doctor = nth / self.addresses_of_a_doctor;
        [
            Self::facility(doctor % self.tenants),
            (FIRST_DOCTOR + doctor).to_string(),
            (FIRST_ADDRESS + nth).to_string(),
        ]
    }

    /// The body and the properties of a notification.
    pub(crate) fn notification(&self, index: u32) -> (Vec<u8>, BasicProperties) {
        let told = self.repeats(index).unwrap_or(index);
        let nth = told % self.addresses;
        let mut body = self.slot_booked(told, nth);
        let missing = BODY_BYTES.saturating_sub(body.to_string().len());
        let comment = &mut body["data"]["visit_booking"]["comment"];
        *comment = Value::from(REMARK.chars().cycle().take(missing).collect::<String>());
        let tenant = nth / self.addresses_of_a_doctor % self.tenants;
        (body.to_string().into_bytes(), properties(index, tenant))
    }

    fn slot_booked(&self, told: u32, nth: u32) -> Value {
        let now = self.told_at;
        let [facility, doctor, address] = self.whereabouts(nth);
        let booking = self.first_booking + u64::from(told);
        let starts_at = now + TimeDelta::days(10) + TimeDelta::minutes(i64::from(told % 2000));
        let mut body = json!({
            "name": "slot-booked",
            "data": {
                "facility": { "id": facility, "name": "Centrum Medyczne Przykład" },
                "doctor": { "id": doctor, "name": "Henryk", "surname": "Mikulski" },
                "address": {
                    "id": address,
                    "name": "Centrum Medyczne Przykład, ul. Obrzeżna",
                    "street": "Obrzeżna 7/9",
                    "post_code": "02-691",
                },
                "visit_booking": {
                    "id": booking.to_string(),
                    "status": "booked",
                    "start_at": rfc3339(starts_at),
                    "end_at": rfc3339(starts_at + TimeDelta::minutes(30)),
                    "duration": 30,
                    "booked_by": "user",
                    "canceled_by": "",
                    "booked_at": rfc3339(now),
                    "address_service": {
                        "id": (512_000 + nth).to_string(),
                        "name": "Konsultacja dermatologiczna",
                        "price": 180,
                        "is_price_from": true,
                        "is_visible": true,
                    },
                    "patient": {
                        "name": "Zofia",
                        "surname": "Wiśniewska",
                        "email": format!("zofia.wisniewska.{booking}@example.com"),
                        "phone": "+48500600700",
                        "birth_date": "1985-01-31",
                        "nin": "85013112345",
                        "gender": "f",
                        "insurance_number": format!("CARD-{booking}"),
                    },
                    "comment": "",
                    "visit_payment": takes_payments(nth),
                    "insurance": { "id": "13", "name": "NFZ", "plan": "", "plan_id": "" },
                },
            },
            "created_at": rfc3339(now),
        });
        if is_online(nth) {
            let url = format!("https://video.example.com/room/{booking:x}");
            body["data"]["visit_booking"]["videocall_url"] = Value::from(url);
        }
        body
    }
}

/// What patients write; in ASCII, so that a character is a byte.
const REMARK: &str = "Prosze o kontakt telefoniczny przed wizyta, najlepiej po godzinie 16. Przyniose wyniki badan z ubieglego \
    tygodnia oraz liste przyjmowanych lekow; w zalaczeniu skierowanie od lekarza rodzinnego. ";

fn is_online(nth: u32) -> bool {
    nth % 4 >= 2
}

fn takes_payments(nth: u32) -> bool {
    nth % 2 == 1
}

fn properties(index: u32, tenant: u32) -> BasicProperties {
    const PERSISTENT: u8 = 2;
    let mut headers = FieldTable::default();
    let tenant = AMQPValue::LongString(format!("clinic-{tenant}").into());
    headers.insert("x-docplanner-tenant".into(), tenant);
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into())
        .with_message_id(format!("relay-{index}").into())
        .with_timestamp(u64::try_from(Utc::now().timestamp()).unwrap_or_default())
        .with_headers(headers)
}

fn rfc3339(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, false)
}
