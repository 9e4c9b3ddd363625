// What a notification is called, what makes two of them the same one, and the event it becomes.
import { v5 as uuid } from 'uuid';

const NAMESPACE = '6f1c8a52-0c0e-4f6c-9a3b-5d1e2c7a4b90';
const PAYMENT_WINDOW_MS = 90 * 60_000;
const PATIENT_ACCESS_BEFORE_START_MS = 60 * 60_000;

const EVENT_NAMES = {
  'slot-booked': 'booking.created',
  'booking-canceled': 'booking.canceled',
  'booking-moved': 'booking.moved',
  'booking-confirmed': 'booking.confirmed',
  'presence-marked': 'booking.presence_marked',
  'booking-payment-status-changed': 'payment.status_changed',
  'break-created': 'break.created',
  'break-moved': 'break.moved',
  'break-removed': 'break.removed',
  'address-service-created': 'address_service.created',
  'address-service-changed': 'address_service.changed',
  'address-service-deleted': 'address_service.deleted',
  'address-commercial-type-changed': 'address.commercial_type_changed',
  'address-assigned': 'address.assigned',
  'address-unassigned': 'address.unassigned',
};

/** Questions, which the relay answers itself. */
const QUESTIONS = new Set(['slot-booking', 'booking-moving']);

export const isQuestion = (notification) => QUESTIONS.has(notification.name);

export function decode(body) {
  const notification = JSON.parse(body);
  // The guide spells it in both ways.
  if (notification.name === 'booking-cancelled') notification.name = 'booking-canceled';
  return notification;
}

/** Equal for two notifications of the same fact: the rule of the worker. */
export function keyOf({ name, data, created_at }, tenant) {
  return `${tenant.id}/${data.facility.id}/${name}/${identity(name, data, instant(created_at))}`;
}

function identity(name, data, created) {
  const { address, visit_booking: booking, break: pause } = data;
  switch (name) {
    case 'slot-booked':
    case 'booking-canceled':
      return booking.id;
    case 'booking-moved':
      return `${data.old_visit_booking.id}/${data.new_visit_booking.id}`;
    case 'booking-confirmed':
      return `${booking.id}/${created}`;
    case 'presence-marked':
      return `${booking.id}/${data.presence}/${created}`;
    case 'booking-payment-status-changed': {
      const { status_to, changed_at } = data.visit_payment_status;
      return `${booking.id}/${status_to}/${changed_at ? instant(changed_at) : created}`;
    }
    case 'break-created':
    case 'break-removed':
      return pause.id;
    case 'break-moved':
      return `${pause.id}/${instant(pause.since)}/${instant(pause.till)}/${created}`;
    case 'address-service-created':
    case 'address-service-changed':
    case 'address-service-deleted':
      return `${address.id}/${data.address_service.id}/${created}`;
    default:
      return `${address.id}/${created}`;
  }
}

/** The routing key that the partner's queues are bound by. */
export function routingKey(event, flags) {
  const payment = flags.visit_payment ? 'payment' : 'no_payment';
  return `${event.tenant}.${event.data.modality}.${payment}.${nameOf(event)}`;
}

/** A CloudEvent with the sections that the worker's event has. */
export function eventOf({ name, data, created_at }, key, flags, tenant) {
  const eventName = EVENT_NAMES[name] ?? 'notification.unrecognized';
  const type = `docplanner.${eventName}.v1`;
  const { facility, doctor, address } = data;
  const booking = data.new_visit_booking ?? data.visit_booking;
  return {
    specversion: '1.0',
    id: uuid(`${key}\n${type}`, NAMESPACE),
    source: `https://www.${tenant.domain}/api/v3/integration/facilities/${facility.id}`,
    type,
    subject: subject(data, booking),
    time: created_at,
    datacontenttype: 'application/json',
    dataschema: `urn:docplanner-worker:${eventName}:v1`,
    tenant: tenant.id,
    partitionkey: String((data.old_visit_booking ?? booking ?? data.break ?? address).id),
    data: {
      facility: { id: facility.id, name: facility.name, partner_id: null },
      doctor: { id: doctor.id, name: doctor.name, surname: doctor.surname, partner_id: null },
      address: {
        id: address.id,
        name: address.name,
        street: address.street,
        post_code: address.post_code ?? flags.post_code,
        city: flags.city_name,
        commercial_type: address.commercial_type ?? null,
        online_only: flags.is_online_only,
        visit_payment: flags.visit_payment,
        flags_as_of: flags.as_of,
        partner_id: null,
      },
      modality: flags.is_online_only ? 'online' : 'onsite',
      ...(booking && bookingSections(booking, data)),
      ...(data.break && { break: data.break }),
      ...(data.address_service && { service: serviceData(data.address_service) }),
      ...(EVENT_NAMES[name] === undefined && { name, raw: data }),
      unmapped: ['facility', 'doctor', 'address'],
    },
  };
}

function bookingSections(booking, { old_visit_booking: old, presence, visit_payment_status }) {
  const required = booking.visit_payment === true;
  const url = booking.videocall_url || old?.videocall_url || null;
  return {
    booking: { ...bookingData(booking), previous_id: old?.id ?? null },
    ...(old && { previous_booking: bookingData(old) }),
    ...(presence && { presence: presence.toLowerCase() }),
    payment: {
      required,
      status: visit_payment_status?.status_to ?? (required ? 'pending' : null),
      due_at: required && booking.booked_at ? later(booking.booked_at, PAYMENT_WINDOW_MS) : null,
      basis: null,
    },
    ...(visit_payment_status && { payment_change: paymentChangeData(visit_payment_status) }),
    video_call: {
      url,
      patient_access_from:
        url && booking.start_at ? later(booking.start_at, -PATIENT_ACCESS_BEFORE_START_MS) : null,
    },
  };
}

function bookingData(booking) {
  const { address_service: service, patient, insurance } = booking;
  return {
    id: booking.id,
    previous_id: null,
    status: booking.status,
    start_at: booking.start_at,
    end_at: booking.end_at,
    duration_minutes: booking.duration,
    booked_by: booking.booked_by || null,
    booked_at: booking.booked_at ?? null,
    canceled_by: booking.canceled_by || null,
    canceled_at: booking.canceled_at ?? null,
    service: service ? {
      id: service.id,
      name: service.name,
      price: service.price,
      price_is_from: service.is_price_from,
      partner_id: null,
    } : null,
    patient: patient ? {
      name: patient.name,
      surname: patient.surname,
      email: patient.email,
      phone: patient.phone,
      birth_date: patient.birth_date,
      nin: patient.nin ?? null,
      gender: patient.gender ?? null,
      insurance_number: patient.insurance_number ?? null,
    } : null,
    comment: booking.comment || null,
    insurance: insurance ?? null,
  };
}

function serviceData({ is_price_from, service_id, visit_payment, ...service }) {
  return { ...service, price_is_from: is_price_from, dictionary_id: service_id, partner_id: null };
}

function paymentChangeData({ status_from, status_to, changed_at }) {
  return { from: status_from, to: status_to, changed_at };
}

function subject({ break: pause, address, address_service: service }, booking) {
  if (booking) return `bookings/${booking.id}`;
  if (pause) return `breaks/${pause.id}`;
  if (service) return `addresses/${address.id}/services/${service.id}`;
  return `addresses/${address.id}`;
}

const nameOf = (event) => event.type.slice('docplanner.'.length, -'.v1'.length);
// However the offset is written, the instant is the same.
const instant = (time) => (time ? new Date(time).toISOString() : '-');
const later = (time, ms) => new Date(Date.parse(time) + ms).toISOString();
