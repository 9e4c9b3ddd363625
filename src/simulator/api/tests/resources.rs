//! What is asked and answered.

use super::*;
use crate::simulator::world::{Address, Booking, Doctor, Facility};

#[tokio::test]
async fn an_address_tells_what_it_is_asked_in_the_specification() {
    let (_docplanner, reader) = start(Dialect::spec()).await;

    let plain = reader.json(ADDRESS).await;
    let keys: Vec<_> = plain.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["city_name", "id", "name", "post_code", "street"]);

    let both = format!("{ADDRESS}?with=address.online_only,address.visit_payment");
    let answer = reader.get(&both).await;
    assert_eq!(header(&answer, "content-type"), "application/vnd.docplanner+json; charset=UTF-8");
    let body = json_of(answer).await;
    assert_eq!(body["is_online_only"], true);
    assert_eq!(body["visit_payment"], true);
    assert_eq!(body.get("commercial_type"), None);

    let refused = reader.get(&format!("{ADDRESS}?with=address.online_only,visit.payment")).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(header(&refused, "content-type"), "application/vnd.error+docplanner+json");
    assert_eq!(json_of(refused).await["message"], "Invalid arguments");
}

#[tokio::test]
async fn an_address_comes_in_items_with_links_as_on_the_guide_page() {
    let (docplanner, reader) = start(Dialect::source_page()).await;

    let body = reader.json(&format!("{ADDRESS}?with=visit.payment")).await;
    let address = &body["_items"][0];
    assert_eq!(address["visit_payment"], true);
    assert_eq!(address.get("is_online_only"), None);
    let own = format!("/api/v3/integration{ADDRESS}");
    assert_eq!(address["_links"]["self"], json!({ "href": own, "method": "get" }));
    assert_eq!(reader.status(&format!("{ADDRESS}?with=address.visit_payment")).await, 400);

    docplanner.set_dialect(Dialect::lenient());
    let scopes = "address.online_only,visit.payment,address.visit_payment,what.ever";
    let body = reader.json(&format!("{ADDRESS}?with={scopes}")).await;
    assert_eq!((&body["is_online_only"], &body["visit_payment"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn the_tree_is_walked_from_facilities_to_services() {
    let (_docplanner, reader) = start(Dialect::spec()).await;
    let first = async |path: &str| {
        let body = reader.json(path).await;
        body["_items"][0]["id"].as_str().unwrap().to_owned()
    };

    assert_eq!(first("/facilities").await, "226402");
    assert_eq!(first("/facilities/226402/doctors").await, "161262");
    assert_eq!(first("/facilities/226402/doctors/161262/addresses").await, "410150");
    assert_eq!(first(&format!("{ADDRESS}/services")).await, "243667");
    assert_eq!(first("/services").await, "1");
    let service = reader.json(&format!("{ADDRESS}/services/243667")).await;
    assert_eq!((&service["service_id"], &service["price"]), (&json!("1"), &json!(120)));

    let facility = reader.json("/facilities/226402?with=facility.doctors").await;
    assert_eq!(facility["doctors"]["_items"][0]["surname"], "Mikulski");
    let scopes = "doctor.addresses,address.online_only";
    let doctor = reader.json(&format!("/facilities/226402/doctors/161262?with={scopes}")).await;
    assert_eq!(doctor["addresses"]["_items"][1]["is_online_only"], true);
    assert!(doctor["specializations"]["_items"].is_array());
}

#[tokio::test]
async fn ids_that_do_not_match_answer_403_and_unknown_ones_404() {
    let (docplanner, reader) = start(Dialect::spec()).await;
    docplanner.world(|world| {
        world.insert_facility(Facility::new("9", "Other"));
        world.insert_doctor(Doctor::new("8", "226402", "Ewa", "Nowak"));
        world.insert_doctor(Doctor::new("7", "9", "Jan", "Nowak"));
        world.insert_address(Address::new("6", "7", "9"));
        world.insert_booking(Booking::new("5", "6", "2026-05-01T10:00:00+02:00".parse().unwrap()));
    });
    let refused = async |path: &str| {
        let answer = reader.get(path).await;
        (answer.status().as_u16(), json_of(answer).await["message"].as_str().unwrap().to_owned())
    };

    for (path, status, message) in [
        ("/facilities/1", 404, "Object not found"),
        ("/facilities/226402/doctors/7", 403, "You are not authorized to see this doctor"),
        (
            "/facilities/226402/doctors/8/addresses/410151",
            403,
            "This address does not belong to this doctor",
        ),
        (
            "/facilities/226402/doctors/8/addresses/6",
            403,
            "This address does not belong to this facility",
        ),
        ("/facilities/226402/doctors/8/addresses/1", 404, "Object not found"),
        (
            "/facilities/226402/doctors/161262/addresses/410151/bookings/5",
            403,
            "This booking does not belong to this address",
        ),
        ("/facilities/226402/slots", 404, "Object not found"),
    ] {
        assert_eq!(refused(path).await, (status, message.to_owned()), "{path}");
    }

    docplanner.world(|world| world.remove_address("410151"));
    assert_eq!(reader.status(ADDRESS).await, 404);
}

#[tokio::test]
async fn a_client_sees_its_own_facilities_only() {
    let clients = vec![Client::new("demo", "secret").only(["1"])];
    let docplanner = Simulator::start(Options { clients, ..Options::default() }).await.unwrap();
    let reader = Reader::new(&docplanner).await;

    assert_eq!(reader.json("/facilities").await, json!({ "_items": [] }));
    assert_eq!(reader.status(ADDRESS).await, 403);
}

#[tokio::test]
async fn bookings_are_listed_by_date_and_in_pages() {
    let (docplanner, reader) = start(Dialect::spec()).await;
    docplanner.world(|world| {
        for day in 1..=5 {
            let start = format!("2026-05-0{day}T10:00:00+02:00").parse().unwrap();
            world.insert_booking(Booking::new(&day.to_string(), "410151", start));
        }
    });
    let path = format!("{ADDRESS}/bookings");
    let days = "start=2026-05-02T00:00:00%2B02:00&end=2026-05-05T00:00:00%2B02:00";

    let listed = reader.json(&format!("{path}?{days}")).await;
    let ids = |body: &Value| -> Vec<String> {
        let list = body["_items"].as_array().unwrap().iter();
        list.map(|booking| booking["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&listed), ["2", "3", "4"]);
    assert_eq!(listed.get("pages"), None);
    assert_eq!(listed["_items"][0].get("patient"), None);

    let page = reader.json(&format!("{path}?{days}&page=2&limit=2&with=booking.patient")).await;
    assert_eq!(ids(&page), ["4"]);
    assert_eq!((&page["pages"], &page["total"]), (&json!(2), &json!(3)));
    assert!(page["_items"][0]["patient"].is_object());

    assert_eq!(reader.status(&path).await, 400);
    assert_eq!(reader.status(&format!("{path}?start=today&end=tomorrow")).await, 400);
    assert_eq!(reader.status(&format!("{path}?{days}&page=0")).await, 400);
}

#[tokio::test]
async fn a_booking_tells_its_payment_by_dialect() {
    let (docplanner, reader) = start(Dialect::spec()).await;
    docplanner.world(|world| {
        let booking = Booking::new("77", "410151", "2026-05-01T10:00:00+02:00".parse().unwrap());
        let booking = booking.with_payment("successful").with_video_call("https://call.example/77");
        world.insert_booking(booking);
    });
    let path = format!("{ADDRESS}/bookings/77");

    let body = reader.json(&format!("{path}?with=booking.moving")).await;
    assert_eq!(body["visit_payment_status"], "successful");
    assert_eq!(body["videocall_url"], "https://call.example/77");
    assert_eq!(body["moving"]["newest_booking_id"], "77");
    assert_eq!(body["duration"], 30);
    assert_eq!(body["patient"]["phone"], 48_500_100_200_u64);
    assert_eq!(reader.status(&format!("{path}?with=visit.payment")).await, 400);

    docplanner.world(|world| {
        world.cancel_booking("77");
        world.set_payment_status("77", "failed");
        world.booking_mut("77").unwrap().videocall_url = None;
    });
    let body = reader.json(&path).await;
    assert_eq!(
        (&body["status"], &body["visit_payment_status"]),
        (&json!("canceled"), &json!("failed"))
    );
    assert_eq!((body.get("videocall_url"), body.get("moving")), (None, None));
    docplanner.world(|world| world.set_payment_status("77", "successful"));

    docplanner.set_dialect(Dialect::source_page());
    assert_eq!(reader.json(&path).await.get("visit_payment_status"), None);
    assert_eq!(reader.status(&format!("{path}?with=booking.moving")).await, 400);
    let body = reader.json(&format!("{path}?with=visit.payment")).await;
    assert_eq!(body["visit_payment_status"], "successful");
    assert_eq!(body.get("moving"), None);
    assert_eq!(body["duration"], "30");
    assert_eq!(body["patient"]["phone"], "+48500100200");
}
