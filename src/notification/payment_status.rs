//! The status of a payment, in whichever of the API's vocabularies it is told.

use serde::Serialize;

/// A payment's status as the notifications tell it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(into = "String")]
#[expect(missing_docs, reason = "the API's own words")]
pub enum PaymentStatus {
    Paid,
    WaitingForConfirmation,
    NotPaid,
    Refunded,
    ChargedBack,
    /// A word that this version does not know, in `snake_case`.
    Other(String),
}

impl From<&str> for PaymentStatus {
    /// Reads a status in any of the API's vocabularies: `not-paid` and `not_paid`, `successful`
    /// and `paid` are the same word.
    fn from(word: &str) -> Self {
        match word.to_lowercase().replace('-', "_").as_str() {
            "paid" | "successful" => PaymentStatus::Paid,
            "waiting_for_confirmation" => PaymentStatus::WaitingForConfirmation,
            "not_paid" => PaymentStatus::NotPaid,
            "refunded" => PaymentStatus::Refunded,
            "charged_back" => PaymentStatus::ChargedBack,
            other => PaymentStatus::Other(other.to_owned()),
        }
    }
}

impl PaymentStatus {
    /// The word that events carry.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            PaymentStatus::Paid => "paid",
            PaymentStatus::WaitingForConfirmation => "waiting_for_confirmation",
            PaymentStatus::NotPaid => "not_paid",
            PaymentStatus::Refunded => "refunded",
            PaymentStatus::ChargedBack => "charged_back",
            PaymentStatus::Other(word) => word,
        }
    }
}

impl From<PaymentStatus> for String {
    fn from(status: PaymentStatus) -> Self {
        status.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_status_is_the_same_word_in_every_vocabulary() {
        for (word, read) in [
            ("paid", "paid"),
            ("successful", "paid"),
            ("PAID", "paid"),
            ("not-paid", "not_paid"),
            ("not_paid", "not_paid"),
            ("waiting_for_confirmation", "waiting_for_confirmation"),
            ("refunded", "refunded"),
            ("charged_back", "charged_back"),
            ("charged-back", "charged_back"),
            ("Half-Paid", "half_paid"),
        ] {
            assert_eq!(PaymentStatus::from(word).as_str(), read, "{word}");
        }
    }
}
