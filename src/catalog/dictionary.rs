//! Which entry of a country's dictionary of services is the online consultation.
//!
//! The API does not mark it, its id differs from country to country, and its name is in the
//! country's language. So it is found by its name: an entry that says "consultation" and "online" in
//! one of Docplanner's languages, and nothing else. A special consultation that also happens to be
//! online (`konsultacja psychologiczna online`) is another service.

use crate::docplanner::DictionaryEntry;

/// What happens at a distance: everywhere, then in Polish, Spanish and Portuguese, Italian, Turkish,
/// Czech. In all lists accents are left out, see [`plain`].
const ONLINE: &[&str] = &[
    "online video remote virtual",
    "zdalna zdalnie",
    "linea distancia virtuales",
    "distanza",
    "goruntulu uzaktan",
    "dalku distancni",
];

/// What a consultation is called: in English, then as above, and in German.
const CONSULTATION: &[&str] = &[
    "consultation",
    "konsultacja porada wizyta",
    "consulta consultas visita atendimento",
    "consulenza consulto visita",
    "gorusme muayene danisma",
    "konzultace",
    "konsultation sprechstunde beratung",
];

/// Both in one word.
const ONLINE_CONSULTATION: &[&str] = &[
    "teleconsultation",
    "telekonsultacja teleporada telewizyta wideokonsultacja ewizyta ekonsultacja",
    "teleconsulta telemedicina videoconsulta videollamada",
    "teleconsulto televisita videoconsulto videovisita videoconsulenza",
    "telekonzultace videokonzultace",
    "telekonsultation onlinekonsultation videokonsultation onlinesprechstunde videosprechstunde",
];

/// Words that add nothing.
const FILLERS: &[&str] = &["a en em na ile przez per por via de la medica lekarska"];

/// The entries that mean an online consultation: one, mostly.
pub(super) fn online_consultations(dictionary: &[DictionaryEntry]) -> Vec<&DictionaryEntry> {
    dictionary.iter().filter(|entry| is_online_consultation(&entry.name)).collect()
}

fn is_online_consultation(name: &str) -> bool {
    let name: String = name.chars().flat_map(char::to_lowercase).filter_map(plain).collect();
    let (mut is_online, mut is_consultation) = (false, false);
    for word in name.split(|letter: char| !letter.is_alphanumeric()) {
        if word.is_empty() || is_one_of(FILLERS, word) {
            continue;
        }
        let both = is_one_of(ONLINE_CONSULTATION, word);
        let (online, consultation) =
            (both || is_one_of(ONLINE, word), both || is_one_of(CONSULTATION, word));
        if !online && !consultation {
            return false;
        }
        is_online |= online;
        is_consultation |= consultation;
    }
    is_online && is_consultation
}

fn is_one_of(list: &[&str], word: &str) -> bool {
    list.iter().any(|words| words.split(' ').any(|listed| listed == word))
}

/// A lower-case letter without its accent; hyphens are left out (`on-line`, `e-wizyta`), and so is
/// the dot that lower-casing a Turkish `İ` leaves behind.
fn plain(letter: char) -> Option<char> {
    Some(match letter {
        '-' | '‐' | '‑' | '\u{307}' => return None,
        'á' | 'à' | 'â' | 'ã' | 'ä' | 'ą' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'ğ' => 'g',
        'é' | 'è' | 'ê' | 'ě' | 'ę' => 'e',
        'í' | 'ì' | 'ı' | 'î' => 'i',
        'ł' => 'l',
        'ñ' | 'ń' | 'ň' => 'n',
        'ó' | 'ò' | 'ô' | 'õ' | 'ö' => 'o',
        'ř' => 'r',
        'ş' | 'ś' | 'š' => 's',
        'ú' | 'ù' | 'ü' | 'ů' => 'u',
        'ý' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_online_consultation_is_found_by_its_name_in_each_country() {
        for name in [
            "konsultacja online",
            "Konsultacja on-line",
            "Teleporada",
            "E-wizyta",
            "Consulta online",
            "Consulta en línea",
            "Teleconsulta",
            "Consulta por vídeo",
            "Consulenza online",
            "Visita a distanza",
            "Video consulto",
            "Online görüşme",
            "ONLİNE GÖRÜŞME",
            "Görüntülü görüşme",
            "Online konzultace",
            "Videosprechstunde",
            "Online-Sprechstunde",
            "Online consultation",
        ] {
            assert!(is_online_consultation(name), "{name}");
        }
    }

    #[test]
    fn other_services_are_not_taken_for_it() {
        for name in [
            "",
            "konsultacja",
            "online",
            "konsultacja psychologiczna online",
            "Consulta",
            "Primera visita",
            "Consulenza nutrizionale online",
            "e-recepta",
            "Videolaryngoskopia",
            "USG",
        ] {
            assert!(!is_online_consultation(name), "{name}");
        }
    }
}
