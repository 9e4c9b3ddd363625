//! Words to make people and places of.

use super::{Country, Id};
use crate::simulator::random::Random;

/// The words of one country.
pub(crate) struct Words {
    pub(crate) clinics: &'static [&'static str],
    pub(crate) women: &'static [&'static str],
    pub(crate) men: &'static [&'static str],
    pub(crate) surnames: &'static [&'static str],
    pub(crate) streets: &'static [&'static str],
    /// City and the beginning of its post codes.
    pub(crate) cities: &'static [(&'static str, &'static str)],
    pub(crate) specializations: &'static [&'static str],
    /// The first is the dictionary's online consultation.
    pub(crate) services: &'static [&'static str],
    pub(crate) insurers: &'static [&'static str],
    pub(crate) comments: &'static [&'static str],
    pub(crate) phone_prefix: &'static str,
    pub(crate) phone_digits: usize,
    /// The word that an online calendar adds to the name of its clinic.
    pub(crate) online: &'static str,
    /// A usual price.
    pub(crate) price: u64,
}

/// The words of a country.
pub(crate) fn words(country: Country) -> &'static Words {
    match country {
        Country::Poland => &POLAND,
        Country::Spain => &SPAIN,
        Country::Italy => &ITALY,
        Country::Turkey => &TURKEY,
        Country::Brazil => &BRAZIL,
    }
}

/// The dictionary of services; ids count from 1, the online consultation is the first.
pub(super) fn dictionary(country: Country) -> Vec<(Id, String)> {
    let names = words(country).services.iter();
    names.zip(1..).map(|(name, id): (_, u32)| (id.to_string(), (*name).to_owned())).collect()
}

/// What the dictionary calls an online consultation.
pub(super) fn online_consultation(country: Country) -> String {
    words(country).services[0].to_owned()
}

/// A national identification number by its look; check digits are left to chance.
pub(crate) fn national_number(country: Country, birth_date: &str, random: &mut Random) -> String {
    let birth_digits: String = birth_date.chars().filter(char::is_ascii_digit).collect();
    match country {
        Country::Poland => format!("{}{}", &birth_digits[2..], random.digits(5)),
        Country::Spain => format!("{}{}", random.digits(8), letters(1, random)),
        Country::Italy => {
            let (name, town) = (letters(6, random), letters(1, random));
            let (year, day) = (&birth_digits[2..4], &birth_digits[6..8]);
            format!("{name}{year}A{day}{town}{}{}", random.digits(3), letters(1, random))
        }
        Country::Turkey | Country::Brazil => random.digits(11),
    }
}

fn letters(count: usize, random: &mut Random) -> String {
    (0..count).map(|_| char::from(*random.pick(b"ABCDEFGHJKLMNPQRSTVWXYZ"))).collect()
}

static POLAND: Words = Words {
    clinics: &["Przychodnia Kolejowa", "Centrum Medyczne Wisła", "Klinika Pod Lipami", "Med-Dom"],
    women: &["Anna", "Katarzyna", "Małgorzata", "Agnieszka", "Zofia", "Łucja"],
    men: &["Piotr", "Krzysztof", "Andrzej", "Tomasz", "Henryk", "Paweł"],
    surnames: &["Nowak", "Wiśniewska", "Wójcik", "Kamińska", "Zając", "Mikulski", "Żak"],
    streets: &["Kolejowa", "Obrzeżna", "Aleje Jerozolimskie", "Długa", "Świętego Marcina"],
    cities: &[("Warszawa", "02-"), ("Kraków", "30-"), ("Łódź", "90-"), ("Gdańsk", "80-")],
    specializations: &["kardiolog", "dermatolog", "ginekolog", "psycholog", "ortopeda"],
    services: &[
        "konsultacja online",
        "konsultacja",
        "USG",
        "biopsja nerki",
        "EKG",
        "e-recepta",
        "konsultacja psychologiczna online",
    ],
    insurers: &["NFZ", "LUX MED", "PZU Zdrowie"],
    comments: &["Pierwsza wizyta", "Proszę o telefon przed wizytą", "Mam wyniki badań"],
    phone_prefix: "+48",
    phone_digits: 9,
    online: "online",
    price: 200,
};

static SPAIN: Words = Words {
    clinics: &["Clínica Santa Lucía", "Centro Médico del Prado", "Policlínica La Ría", "Salud Sur"],
    women: &["María", "Carmen", "Lucía", "Núria", "Ana", "Begoña"],
    men: &["José", "Antonio", "Íñigo", "Javier", "Raúl", "Álvaro"],
    surnames: &["García", "Martínez", "Núñez", "Ibáñez", "López", "Muñoz", "Etxeberria"],
    streets: &["Calle Mayor", "Calle de Alcalá", "Avenida Diagonal", "Paseo de Gracia"],
    cities: &[("Madrid", "280"), ("Barcelona", "080"), ("Sevilla", "410"), ("A Coruña", "150")],
    specializations: &["cardiólogo", "dermatólogo", "ginecólogo", "psicólogo", "traumatólogo"],
    services: &["Consulta online", "Primera visita", "Ecografía", "Revisión", "Electrocardiograma"],
    insurers: &["Sanitas", "Adeslas", "Mapfre"],
    comments: &["Primera visita", "Llego con diez minutos de retraso", "Traigo análisis"],
    phone_prefix: "+34",
    phone_digits: 9,
    online: "online",
    price: 70,
};

static ITALY: Words = Words {
    clinics: &["Poliambulatorio San Carlo", "Studio Medico Navigli", "Centro Salus", "Casa Verde"],
    women: &["Giulia", "Francesca", "Chiara", "Elena", "Noemi"],
    men: &["Marco", "Luca", "Niccolò", "Andrea", "Matteo"],
    surnames: &["Rossi", "Ferrari", "Esposito", "D'Angelo", "Lo Presti", "Ricci"],
    streets: &["Via Roma", "Via Garibaldi", "Corso Buenos Aires", "Piazza della Libertà"],
    cities: &[("Milano", "201"), ("Roma", "001"), ("Torino", "101"), ("Forlì", "471")],
    specializations: &["cardiologo", "dermatologo", "ginecologo", "psicologo", "ortopedico"],
    services: &["Consulenza online", "Prima visita", "Ecografia", "Visita di controllo", "ECG"],
    insurers: &["UniSalute", "Previmedical"],
    comments: &["Prima visita", "È possibile anticipare?", "Porto gli esami"],
    phone_prefix: "+39",
    phone_digits: 10,
    online: "online",
    price: 90,
};

static TURKEY: Words = Words {
    clinics: &["Özel Işık Polikliniği", "Boğaziçi Tıp Merkezi", "Çınar Klinik", "Güneş Sağlık"],
    women: &["Ayşe", "Elif", "Zeynep", "Şule", "İpek"],
    men: &["Mehmet", "Mustafa", "Çağlar", "Uğur", "Ömer"],
    surnames: &["Yılmaz", "Öztürk", "Şahin", "Çelik", "Aydın", "Doğan"],
    streets: &["Bağdat Caddesi", "İstiklal Caddesi", "Atatürk Bulvarı", "Gül Sokak"],
    cities: &[("İstanbul", "347"), ("Ankara", "066"), ("İzmir", "352")],
    specializations: &["kardiyolog", "dermatolog", "psikolog", "ortopedist"],
    services: &["Online görüşme", "Muayene", "Ultrason", "Kontrol muayenesi", "EKG"],
    insurers: &["SGK", "Allianz Sağlık"],
    comments: &["İlk muayene", "Randevudan önce arayınız", "Tahlillerim var"],
    phone_prefix: "+90",
    phone_digits: 10,
    online: "online",
    price: 1500,
};

static BRAZIL: Words = Words {
    clinics: &["Clínica Boa Vista", "Centro Médico Ipê", "Instituto São Lucas", "Saúde e Vida"],
    women: &["Maria", "Júlia", "Conceição", "Letícia", "Antônia"],
    men: &["João", "Luís", "Otávio", "Cauã", "Gonçalo"],
    surnames: &["Silva", "Souza", "Araújo", "Gonçalves", "dos Santos", "Magalhães"],
    streets: &["Rua Augusta", "Avenida Paulista", "Rua São José", "Alameda Santos"],
    cities: &[("São Paulo", "01310-"), ("Rio de Janeiro", "20040-"), ("Goiânia", "74001-")],
    specializations: &["cardiologista", "dermatologista", "ginecologista", "psicólogo"],
    services: &["Teleconsulta", "Consulta", "Ultrassonografia", "Retorno", "Eletrocardiograma"],
    insurers: &["Unimed", "Bradesco Saúde", "Amil"],
    comments: &["Primeira consulta", "Tenho exames recentes", "Preciso de nota fiscal"],
    phone_prefix: "+55",
    phone_digits: 11,
    online: "online",
    price: 350,
};
