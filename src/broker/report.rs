//! What is told of a delivery once it is settled: one log line, and the end of its span.

use std::time::Duration;

use tracing::{Span, debug, error};

use crate::{
    delivery::{Delivery, Disposition, Processed},
    notification::Kind,
    traces,
};

/// Tells what became of a delivery: at debug, but a dead letter at error, because somebody has to look at it.
/// `settled` is false if the broker has it back and delivers it again.
pub(super) fn delivery(delivery: &Delivery, processed: &Processed, settled: bool, took: Duration) {
    let span = Span::current();
    end(&span, delivery, processed);
    let disposition = processed.disposition.label();
    let attempts = attempts(delivery, &processed.disposition);
    // A field's value is made only if the line is written.
    macro_rules! tell {
        ($level:ident, $($more:tt)*) => {
            $level!(
                tenant = processed.tenant,
                kind = processed.kind.map(Kind::name),
                disposition,
                attempts,
                took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                key = processed.key.map(tracing::field::display),
                booking_id = processed.booking_id,
                trace_id = traces::trace_id(&span, delivery.traceparent.as_deref()),
                $($more)*
            )
        };
    }
    match &processed.disposition {
        _ if !settled => {
            tell!(debug, "the delivery's channel is gone; the broker delivers it again");
        }
        Disposition::Ack(_) => tell!(debug, "settled: {disposition}"),
        Disposition::Retry { delay, cause, .. } => {
            let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            tell!(debug, delay_ms, error = cause, "will try again in {delay:?}");
        }
        Disposition::DeadLetter { reason, error, .. } => {
            let reason = reason.as_str();
            tell!(error, reason, error, "dead-lettered: {reason}");
        }
    }
}

/// The delivery's span, which ends with whoever holds it.
fn end(span: &Span, delivery: &Delivery, processed: &Processed) {
    if span.is_disabled() {
        return;
    }
    let Processed { disposition, tenant, kind, key, booking_id } = processed;
    span.record("disposition", disposition.label());
    span.record("attempts", attempts(delivery, disposition));
    span.record("tenant", tenant.as_deref());
    span.record("kind", kind.map(Kind::name));
    span.record("key", key.map(tracing::field::display));
    span.record("booking_id", booking_id.as_deref());
    match disposition {
        Disposition::DeadLetter { reason, .. } => traces::failed(span, reason.as_str()),
        Disposition::Retry { .. } if !disposition.is_wait(delivery) => {
            traces::failed(span, disposition.label());
        }
        Disposition::Ack(_) | Disposition::Retry { .. } => {}
    }
}

/// How often it has failed, this time included.
fn attempts(delivery: &Delivery, disposition: &Disposition) -> u32 {
    match disposition {
        Disposition::Ack(_) => delivery.attempts,
        Disposition::Retry { attempts, .. } | Disposition::DeadLetter { attempts, .. } => *attempts,
    }
}
