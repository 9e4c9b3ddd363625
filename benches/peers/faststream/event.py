"""What makes two notifications the same one, and the event that a notification becomes."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

NAMESPACE = UUID("6f1c8a52-0c0e-4f6c-9a3b-5d1e2c7a4b90")
PAYMENT_WINDOW = timedelta(minutes=90)
PATIENT_ACCESS_BEFORE_START = timedelta(hours=1)

EVENT_NAMES = {
    "slot-booked": "booking.created",
    "booking-canceled": "booking.canceled",
    "booking-moved": "booking.moved",
    "booking-confirmed": "booking.confirmed",
    "presence-marked": "booking.presence_marked",
    "booking-payment-status-changed": "payment.status_changed",
    "break-created": "break.created",
    "break-moved": "break.moved",
    "break-removed": "break.removed",
    "address-service-created": "address_service.created",
    "address-service-changed": "address_service.changed",
    "address-service-deleted": "address_service.deleted",
    "address-commercial-type-changed": "address.commercial_type_changed",
    "address-assigned": "address.assigned",
    "address-unassigned": "address.unassigned",
}

# Questions, which the relay answers itself.
QUESTIONS = {"slot-booking", "booking-moving"}


# The guide spells it in both ways.
SPELLINGS = {"booking-cancelled": "booking-canceled"}


def is_question(notification: dict) -> bool:
    return notification["name"] in QUESTIONS


def key_of(notification: dict, tenant: str) -> str:
    """Equal for two notifications of the same fact: the rule of the worker."""
    name, data = _name(notification), notification["data"]
    identity = _identity(name, data, _instant(notification.get("created_at")))
    return f"{tenant}/{data['facility']['id']}/{name}/{identity}"


def _identity(name: str, data: dict, created: str) -> str:
    booking, pause = data.get("visit_booking"), data.get("break")
    match name:
        case "slot-booked" | "booking-canceled":
            return booking["id"]
        case "booking-moved":
            return f"{data['old_visit_booking']['id']}/{data['new_visit_booking']['id']}"
        case "booking-confirmed":
            return f"{booking['id']}/{created}"
        case "presence-marked":
            return f"{booking['id']}/{data['presence']}/{created}"
        case "booking-payment-status-changed":
            change = data["visit_payment_status"]
            changed_at = change.get("changed_at")
            return f"{booking['id']}/{change['status_to']}/{_instant(changed_at) if changed_at else created}"
        case "break-created" | "break-removed":
            return pause["id"]
        case "break-moved":
            return f"{pause['id']}/{_instant(pause.get('since'))}/{_instant(pause.get('till'))}/{created}"
        case "address-service-created" | "address-service-changed" | "address-service-deleted":
            return f"{data['address']['id']}/{data['address_service']['id']}/{created}"
        case _:
            return f"{data['address']['id']}/{created}"


def routing_key(event: dict) -> str:
    """The routing key that the partner's queues are bound by."""
    payment = "payment" if event["data"]["address"]["visit_payment"] else "no_payment"
    name = event["type"].removeprefix("docplanner.").removesuffix(".v1")
    return f"{event['tenant']}.{event['data']['modality']}.{payment}.{name}"


def event_of(notification: dict, key: str, flags: dict, tenant: str, domain: str) -> dict:
    """A CloudEvent with the sections that the worker's event has."""
    name, data = _name(notification), notification["data"]
    event_name = EVENT_NAMES.get(name, "notification.unrecognized")
    event_type = f"docplanner.{event_name}.v1"
    facility, doctor, address = data["facility"], data["doctor"], data["address"]
    booking = data.get("new_visit_booking") or data.get("visit_booking")
    first = data.get("old_visit_booking") or booking or data.get("break") or address
    told = {
        "facility": {"id": facility["id"], "name": facility.get("name"), "partner_id": None},
        "doctor": {
            "id": doctor["id"],
            "name": doctor.get("name"),
            "surname": doctor.get("surname"),
            "partner_id": None,
        },
        "address": {
            "id": address["id"],
            "name": address.get("name"),
            "street": address.get("street"),
            "post_code": address.get("post_code") or flags.get("post_code"),
            "city": flags.get("city_name"),
            "commercial_type": address.get("commercial_type"),
            "online_only": flags["is_online_only"],
            "visit_payment": flags["visit_payment"],
            "flags_as_of": flags["as_of"],
            "partner_id": None,
        },
        "modality": "online" if flags["is_online_only"] else "onsite",
    }
    if booking:
        told |= _booking_sections(booking, data)
    if "break" in data:
        told["break"] = data["break"]
    if "address_service" in data:
        told["service"] = _service(data["address_service"])
    if name not in EVENT_NAMES:
        told |= {"name": name, "raw": data}
    told["unmapped"] = ["facility", "doctor", "address"]
    return {
        "specversion": "1.0",
        "id": str(uuid5(NAMESPACE, f"{key}\n{event_type}")),
        "source": f"https://www.{domain}/api/v3/integration/facilities/{facility['id']}",
        "type": event_type,
        "subject": _subject(data, booking),
        "time": notification.get("created_at"),
        "datacontenttype": "application/json",
        "dataschema": f"urn:docplanner-worker:{event_name}:v1",
        "tenant": tenant,
        "partitionkey": str(first["id"]),
        "data": told,
    }


def _booking_sections(booking: dict, data: dict) -> dict:
    old, change = data.get("old_visit_booking"), data.get("visit_payment_status")
    required = booking.get("visit_payment") is True
    url = booking.get("videocall_url") or (old or {}).get("videocall_url") or None
    booked_at, start_at = booking.get("booked_at"), booking.get("start_at")
    due_at = _later(booked_at, PAYMENT_WINDOW) if required and booked_at else None
    access_from = _later(start_at, -PATIENT_ACCESS_BEFORE_START) if url and start_at else None
    status = change["status_to"] if change else "pending" if required else None
    sections = {
        "booking": _booking(booking) | {"previous_id": old["id"] if old else None},
        "payment": {"required": required, "status": status, "due_at": due_at, "basis": None},
        "video_call": {"url": url, "patient_access_from": access_from},
    }
    if old:
        sections["previous_booking"] = _booking(old)
    if "presence" in data:
        sections["presence"] = data["presence"].lower()
    if change:
        sections["payment_change"] = {
            "from": change.get("status_from"),
            "to": change["status_to"],
            "changed_at": change.get("changed_at"),
        }
    return sections


def _booking(booking: dict) -> dict:
    service, patient = booking.get("address_service"), booking.get("patient")
    return {
        "id": booking["id"],
        "previous_id": None,
        "status": booking.get("status"),
        "start_at": booking.get("start_at"),
        "end_at": booking.get("end_at"),
        "duration_minutes": booking.get("duration"),
        "booked_by": booking.get("booked_by") or None,
        "booked_at": booking.get("booked_at"),
        "canceled_by": booking.get("canceled_by") or None,
        "canceled_at": booking.get("canceled_at"),
        "service": service and {
            "id": service.get("id"),
            "name": service.get("name"),
            "price": service.get("price"),
            "price_is_from": service.get("is_price_from"),
            "partner_id": None,
        },
        "patient": patient and {
            "name": patient.get("name"),
            "surname": patient.get("surname"),
            "email": patient.get("email"),
            "phone": patient.get("phone"),
            "birth_date": patient.get("birth_date"),
            "nin": patient.get("nin"),
            "gender": patient.get("gender"),
            "insurance_number": patient.get("insurance_number"),
        },
        "comment": booking.get("comment") or None,
        "insurance": booking.get("insurance"),
    }


def _service(service: dict) -> dict:
    return {
        "id": service["id"],
        "name": service.get("name"),
        "price": service.get("price"),
        "price_is_from": service.get("is_price_from"),
        "is_default": service.get("is_default"),
        "is_visible": service.get("is_visible"),
        "description": service.get("description"),
        "dictionary_id": service.get("service_id"),
        "partner_id": None,
    }


def _subject(data: dict, booking: dict | None) -> str:
    if booking:
        return f"bookings/{booking['id']}"
    if "break" in data:
        return f"breaks/{data['break']['id']}"
    address = f"addresses/{data['address']['id']}"
    return f"{address}/services/{data['address_service']['id']}" if "address_service" in data else address


def _name(notification: dict) -> str:
    return SPELLINGS.get(notification["name"], notification["name"])


def _instant(time: str | None) -> str:
    """However the offset is written, the instant is the same."""
    return datetime.fromisoformat(time).astimezone(UTC).isoformat() if time else "-"


def _later(time: str, by: timedelta) -> str:
    return (datetime.fromisoformat(time) + by).isoformat()
