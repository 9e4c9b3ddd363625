//! Clients and their tokens.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::extract::Query;
use axum::http::{HeaderMap, Uri, header};

use crate::simulator::random::Random;
use crate::simulator::world::Id;

/// An API client: one pair of credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The name in HTTP Basic.
    pub id: String,
    /// The password in HTTP Basic.
    pub secret: String,
    /// The facilities it may see; `None`: all of them.
    pub facilities: Option<Vec<Id>>,
}

impl Client {
    /// A client that may see every facility.
    #[must_use]
    pub fn new(id: &str, secret: &str) -> Self {
        Self { id: id.to_owned(), secret: secret.to_owned(), facilities: None }
    }

    /// The same, limited to some facilities.
    #[must_use]
    pub fn only<'a>(mut self, facilities: impl IntoIterator<Item = &'a str>) -> Self {
        self.facilities = Some(facilities.into_iter().map(str::to_owned).collect());
        self
    }

    /// Whether it may see this facility.
    pub(super) fn may_see(&self, facility_id: &str) -> bool {
        self.facilities.as_ref().is_none_or(|list| list.iter().any(|id| id == facility_id))
    }
}

/// Why there is no token, as OAuth 2.0 names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenRefusal {
    InvalidClient,
    UnsupportedGrantType,
    InvalidScope,
}

/// The tokens in force.
pub(super) struct Tokens {
    clients: Vec<Client>,
    lifetime: Duration,
    random: Random,
    issued: HashMap<String, Token>,
}

struct Token {
    client: usize,
    expires: Instant,
}

impl Tokens {
    pub(super) fn new(clients: Vec<Client>, lifetime: Duration, seed: u64) -> Self {
        Self { clients, lifetime, random: Random::new(seed, "tokens"), issued: HashMap::new() }
    }

    pub(super) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    pub(super) fn set_lifetime(&mut self, lifetime: Duration) {
        self.lifetime = lifetime;
    }

    pub(super) fn expire_all(&mut self) {
        self.issued.clear();
    }

    /// Whether there is such a client. Tokens given for its old secret stay in force.
    pub(super) fn replace_secret(&mut self, client_id: &str, secret: String) -> bool {
        let client = self.clients.iter_mut().find(|client| client.id == client_id);
        client.map(|client| client.secret = secret).is_some()
    }

    /// `grant_type=client_credentials&scope=integration` with HTTP Basic, or with the credentials
    /// in the form, as the official PHP SDK does it. Tokens are 40 hexadecimal digits.
    pub(super) fn issue(
        &mut self,
        headers: &HeaderMap,
        form: &str,
        now: Instant,
    ) -> Result<String, TokenRefusal> {
        let form = Form::read(form);
        let (id, secret) = basic_credentials(headers)
            .or_else(|| Some((form.field("client_id")?, form.field("client_secret")?)))
            .ok_or(TokenRefusal::InvalidClient)?;
        let mut known = self.clients.iter();
        let client = known.position(|client| client.id == id && client.secret == secret);
        let client = client.ok_or(TokenRefusal::InvalidClient)?;
        if form.field("grant_type").as_deref() != Some("client_credentials") {
            return Err(TokenRefusal::UnsupportedGrantType);
        }
        if form.field("scope").as_deref() != Some("integration") {
            return Err(TokenRefusal::InvalidScope);
        }
        self.issued.retain(|_, token| token.expires > now);
        let token = self.random.hex(40);
        self.issued.insert(token.clone(), Token { client, expires: now + self.lifetime });
        Ok(token)
    }

    /// Whose live token this is.
    pub(super) fn client_of(&self, headers: &HeaderMap, now: Instant) -> Option<&Client> {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let token = self.issued.get(strip_scheme(value, "bearer")?)?;
        if token.expires <= now {
            return None;
        }
        self.clients.get(token.client)
    }
}

struct Form(Vec<(String, String)>);

impl Form {
    fn read(body: &str) -> Self {
        let uri = Uri::try_from(format!("/?{}", body.trim())).ok();
        let fields = uri.and_then(|uri| Query::try_from_uri(&uri).ok());
        Self(fields.map(|Query(fields)| fields).unwrap_or_default())
    }

    fn field(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }
}

fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let pair = String::from_utf8(decode_base64(strip_scheme(value, "basic")?)?).ok()?;
    pair.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned()))
}

/// Schemes are written in any case.
fn strip_scheme<'a>(value: &'a str, scheme: &str) -> Option<&'a str> {
    let (given, rest) = value.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for symbol in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|known| *known == symbol)?;
        buffer = (buffer << 6) | u32::try_from(value).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((buffer >> bits) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "grant_type=client_credentials&scope=integration";

    fn tokens() -> Tokens {
        Tokens::new(vec![Client::new("demo", "s:cret")], Duration::from_mins(1), 1)
    }

    fn authorization(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    fn is_live(tokens: &Tokens, token: &str, now: Instant) -> bool {
        tokens.client_of(&authorization(&format!("Bearer {token}")), now).is_some()
    }

    #[test]
    fn credentials_come_by_basic_or_by_form() {
        let mut tokens = tokens();
        let by_basic =
            tokens.issue(&authorization("Basic ZGVtbzpzOmNyZXQ="), FORM, Instant::now()).unwrap();
        let form = format!("{FORM}&client_id=demo&client_secret=s%3Acret");
        let by_form = tokens.issue(&HeaderMap::new(), &form, Instant::now()).unwrap();

        for token in [by_basic, by_form] {
            assert_eq!(token.len(), 40);
            assert!(is_live(&tokens, &token, Instant::now()));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = authorization("basic ZGVtbzpzOmNyZXQ=");
        let refusal =
            |headers: &HeaderMap, form| tokens().issue(headers, form, Instant::now()).unwrap_err();

        let wrong = authorization("Basic ZGVtbzp3cm9uZw==");
        assert_eq!(refusal(&wrong, FORM), TokenRefusal::InvalidClient);
        assert_eq!(refusal(&HeaderMap::new(), FORM), TokenRefusal::InvalidClient);
        let form = "grant_type=password&scope=integration";
        assert_eq!(refusal(&good, form), TokenRefusal::UnsupportedGrantType);
        let form = "grant_type=client_credentials";
        assert_eq!(refusal(&good, form), TokenRefusal::InvalidScope);
    }

    #[test]
    fn tokens_expire() {
        let mut tokens = tokens();
        let start = Instant::now();
        let token = tokens.issue(&authorization("Basic ZGVtbzpzOmNyZXQ="), FORM, start).unwrap();

        assert!(is_live(&tokens, &token, start + Duration::from_secs(59)));
        assert!(!is_live(&tokens, &token, start + Duration::from_mins(1)));
    }
}
