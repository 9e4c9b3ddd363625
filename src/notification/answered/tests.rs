use serde_json::{Value, json};

use super::*;

/// The reference's example of a single booking, with both features on.
fn example() -> Value {
    json!({
        "id": "2134124", "status": "booked",
        "start_at": "2021-05-16T14:00:00+01:00", "end_at": "2021-05-16T14:30:00+01:00",
        "duration": 30, "booked_by": "user", "canceled_by": "",
        "booked_at": "2021-05-12T12:00:00+01:00", "canceled_at": null,
        "patient": {
            "name": "Abraham", "surname": "Lincoln", "email": "example@example.com",
            "phone": 48_123_123_123_u64, "birth_date": "1985-01-01", "nin": 894_237_492,
            "gender": "m", "is_returning": false, "insurance_number": null
        },
        "address_service": {
            "id": "101", "name": "USG", "price": 100, "is_price_from": false, "is_default": true,
            "service_id": "1", "description": "Description of service", "is_visible": true
        },
        "comment": "comment",
        "insurance": { "id": "11", "name": "Axa", "plan": null, "plan_id": null },
        "visit_payment": true, "visit_payment_status": "successful",
        "videocall_url": "https://call.example/1",
        "moving": { "origin_booking_id": "2134101", "newest_booking_id": "2134135" }
    })
}

fn with(changes: &Value) -> Value {
    let mut body = example();
    for (key, value) in changes.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

fn without(key: &str) -> Value {
    let mut body = example();
    body.as_object_mut().unwrap().remove(key);
    body
}

fn decode(body: &Value) -> Result<AnsweredBooking, DecodeError> {
    AnsweredBooking::decode(body.to_string().as_bytes(), "2134124")
}

#[test]
fn the_references_example_is_read() {
    let answer = decode(&example()).unwrap();

    let booking = &answer.booking;
    assert_eq!(booking.id, "2134124");
    assert_eq!(booking.duration_minutes, Some(30));
    assert_eq!(booking.canceled_by, None);
    assert_eq!(booking.visit_payment, Some(true));
    assert_eq!(booking.videocall_url.as_ref().unwrap().expose(), "https://call.example/1");
    let patient = booking.patient.as_ref().unwrap();
    assert_eq!(patient.phone.as_ref().unwrap().expose(), "48123123123");
    assert_eq!(booking.service.as_ref().unwrap().dictionary_id.as_deref(), Some("1"));
    assert_eq!(answer.payment_status, Some(PaymentStatus::Paid));
    assert_eq!(answer.newest_id.as_deref(), Some("2134135"));
}

#[test]
fn it_is_the_same_in_every_dialect() {
    let expected = decode(&example()).unwrap();
    let mut of_service = without("visit_payment");
    of_service["address_service"]["visit_payment"] = true.into();
    for (what, body) in [
        ("ids as numbers", with(&json!({ "id": 2_134_124 }))),
        ("numbers as strings", with(&json!({ "duration": "30" }))),
        ("null for nothing", with(&json!({ "canceled_by": null }))),
        ("nothing at all", without("canceled_by")),
        ("the older place of the payment", of_service),
        ("flags as words", with(&json!({ "visit_payment": "true" }))),
        ("another word", with(&json!({ "visit_payment_status": "paid" }))),
        ("moved ids as numbers", with(&json!({ "moving": { "newest_booking_id": 2_134_135 } }))),
        ("an offset without a colon", with(&json!({ "start_at": "2021-05-16T14:00:00+0100" }))),
        ("in items", json!({ "_items": [example()], "_links": {} })),
        ("in items among others", json!({ "_items": [{ "id": "7" }, null, example()] })),
    ] {
        assert_eq!(decode(&body).as_ref(), Ok(&expected), "{what}");
    }
}

#[test]
fn payment_and_moving_are_unknown_where_they_are_not_told() {
    for nothing in [json!(null), json!(""), json!("null"), json!("null,")] {
        let body = with(&json!({ "visit_payment_status": nothing, "visit_payment": nothing }));
        let answer = decode(&body).unwrap();
        assert_eq!(answer.payment_status, None, "{nothing}");
        assert_eq!(answer.booking.visit_payment, None, "{nothing}");
        let moving = with(&json!({ "moving": { "newest_booking_id": nothing } }));
        assert_eq!(decode(&moving).unwrap().newest_id, None, "{nothing}");
    }
    assert_eq!(decode(&without("visit_payment_status")).unwrap().payment_status, None);
    assert_eq!(decode(&without("moving")).unwrap().newest_id, None);
    for empty in [json!(null), json!([]), json!({})] {
        assert_eq!(decode(&with(&json!({ "moving": empty }))).unwrap().newest_id, None);
    }
}

#[test]
fn a_canceled_booking_names_the_one_it_was_moved_to() {
    let moved_to = |status: Value, newest: &str| {
        let changes = json!({ "status": status, "moving": { "newest_booking_id": newest } });
        decode(&with(&changes)).unwrap().moved_to().map(str::to_owned)
    };
    for status in ["canceled", "cancelled", "CANCELED", "deleted"] {
        assert_eq!(moved_to(json!(status), "2134135").as_deref(), Some("2134135"), "{status}");
        assert_eq!(moved_to(json!(status), "2134124"), None, "its own id");
    }
    for status in [json!("booked"), json!("accepted"), json!(null)] {
        assert_eq!(moved_to(status.clone(), "2134135"), None, "{status}");
    }
    let at = "2021-05-14T15:45:57+01:00";
    let by_date = with(&json!({ "status": null, "canceled_at": at }));
    assert_eq!(decode(&by_date).unwrap().moved_to(), Some("2134135"));
    // The reference's own example of a move has the date in the wrong field.
    let slip = with(&json!({ "status": "canceled", "canceled_by": at, "canceled_at": null }));
    let slip = decode(&slip).unwrap();
    assert_eq!(slip.booking.canceled_by.as_deref(), Some(at));
    assert_eq!(slip.moved_to(), Some("2134135"));
}

#[test]
fn what_is_no_answer_is_not_read() {
    let error = |body: &str| AnsweredBooking::decode(body.as_bytes(), "2134124").unwrap_err();
    let list = json!({ "_items": [with(&json!({ "id": "7" }))] });
    for (body, expected) in [
        ("", "not JSON: EOF while parsing a value at line 1 column 0"),
        ("<html>", "not JSON: expected value at line 1 column 1"),
        ("7", "not a JSON object"),
        ("null", "not a JSON object"),
        ("[]", "not a JSON object"),
        (r#"["Lincoln"]"#, "not a JSON object"),
        (r#""Lincoln""#, "not a JSON object"),
        (r#"{"_items":"Lincoln"}"#, "not a booking at line 1 column 9"),
        (r#"{"_items":{"name":"Lincoln"}}"#, "not a booking at line 1 column 0"),
        (r#"{"_items":[]}"#, "booking.id: is not the one asked for"),
        (r#"{"id":"7","status":"booked"}"#, "booking.id: is not the one asked for"),
        (r#"{"name":"Lincoln"}"#, "booking.id: is not the one asked for"),
        (&list.to_string(), "booking.id: is not the one asked for"),
        (
            &with(&json!({ "start_at": "Lincoln" })).to_string(),
            "booking.start_at: not a date-time such as 2021-05-26T16:00:00+01:00",
        ),
        (&with(&json!({ "moving": "Lincoln" })).to_string(), "booking.moving: expected an object"),
    ] {
        assert_eq!(error(body).to_string(), expected, "{body}");
    }
}

#[test]
fn no_answer_makes_it_panic() {
    let whole = example().to_string();
    for end in 0..whole.len() {
        let _ = AnsweredBooking::decode(&whole.as_bytes()[..end], "2134124");
    }
}
