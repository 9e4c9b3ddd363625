//! What a single value cannot tell: files that exist, values that make sense, and together.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    time::Duration,
};

use lapin::uri::AMQPScheme;
use tokio_postgres::config::SslMode;

use super::{Credential, LimitSettings, Problem, Settings, TenantSettings};
use crate::{
    retry::RetryPolicy,
    tls::{self, TlsFiles},
};

/// Past this, `database.lease` no longer is what it is for.
const LONGEST_LEASE: Duration = Duration::from_hours(1);

/// Nobody has a month to pay.
const LONGEST_WINDOW: Duration = Duration::from_hours(30 * 24);
const LONGEST_GRACE: Duration = Duration::from_hours(24);

/// More at once would look like an attack.
const MOST_REQUESTS: usize = 256;

impl Settings {
    /// Puts `x_file` in the place of `x` for every secret.
    pub(super) fn read_secret_files(&mut self, problems: &mut Vec<Problem>) {
        let Settings { broker, database, tenants, .. } = self;
        read_file(&mut broker.url, broker.url_file.as_deref(), "broker.url_file", problems);
        read_file(&mut database.url, database.url_file.as_deref(), "database.url_file", problems);
        for (nth, tenant) in tenants.iter_mut().enumerate() {
            let path = format!("tenants[{nth}].client_secret_file");
            if tenant.client_secret_file.is_some() && !tenant.client_secret.is_missing() {
                problem(problems, &path, "give either `client_secret` or `client_secret_file`");
            }
            let file = tenant.client_secret_file.clone();
            read_file(&mut tenant.client_secret, file.as_deref(), &path, problems);
        }
    }

    /// Adds what is wrong with values that could be read.
    pub(super) fn validate(&self, problems: &mut Vec<Problem>) {
        self.validate_broker(problems);
        self.validate_database(problems);
        if self.log.level.parse::<tracing_subscriber::filter::Targets>().is_err() {
            problem(problems, "log.level", "expected error, warn, info, debug, trace or a filter");
        }
        if let Err(error) = self.traces.traces_url() {
            problem(problems, "traces.endpoint", error);
        }
        if !(0.0..=1.0).contains(&self.traces.sample_ratio) {
            problem(problems, "traces.sample_ratio", "expected a number of 0 to 1");
        }
        if self.tenants.is_empty() && !problems.iter().any(|p| p.path.starts_with("tenants")) {
            problem(problems, "tenants", "at least one [[tenants]] section is needed");
        }
        for (nth, tenant) in self.tenants.iter().enumerate() {
            let path = format!("tenants[{nth}]");
            tenant.validate(&path, problems);
            tenant.validate_routes(&path, &self.broker, problems);
        }
        self.validate_together(problems);
    }

    fn validate_broker(&self, problems: &mut Vec<Problem>) {
        let broker = &self.broker;
        match broker.uri() {
            Err(form) => problem(problems, "broker.url", form),
            Ok(uri) => {
                let is_tls = uri.scheme == AMQPScheme::AMQPS;
                let secured = "has no effect without amqps:// in broker.url";
                validate_tls(&broker.tls_files(), is_tls, secured, problems);
            }
        }
        for (name, value) in
            [("broker.queue", &broker.queue), ("broker.exchange", &broker.exchange)]
        {
            // The longest name made from it has to fit into AMQP's 255 bytes.
            if value.is_empty() || value.len() > 200 {
                problem(problems, name, "expected a name of 1 to 200 bytes");
            }
        }
        if broker.prefetch == 0 {
            problem(problems, "broker.prefetch", "must be at least 1: 0 would mean no bound");
        }
        if broker.max_body_bytes == 0 {
            problem(problems, "broker.max_body_bytes", "must be at least 1");
        }
        if let Err(error) = RetryPolicy::new(broker.retry_delays.clone()) {
            problem(problems, "broker.retry_delays", error.to_string());
        }
        if broker.confirm_timeout.is_zero() {
            problem(problems, "broker.confirm_timeout", "must be longer than 0");
        }
    }

    fn validate_database(&self, problems: &mut Vec<Problem>) {
        let database = &self.database;
        match database.connect_config() {
            Err(error) => problem(problems, "database.url", error.to_string()),
            Ok(config) => {
                let is_tls = config.get_ssl_mode() == SslMode::Require;
                let secured = "is not sure to be used without sslmode=verify-full in database.url";
                validate_tls(&database.tls_files(), is_tls, secured, problems);
            }
        }
        if database.pool_size < 2 {
            let why = "must be at least 2: claims and completions use a connection each";
            problem(problems, "database.pool_size", why);
        }
        if database.lease <= self.broker.confirm_timeout {
            let why =
                "must be longer than broker.confirm_timeout, or a slow confirm loses the lease";
            problem(problems, "database.lease", why);
        }
        if database.lease > LONGEST_LEASE {
            problem(
                problems,
                "database.lease",
                "must be at most 1h: a crashed pod's work waits for it",
            );
        }
        if database.retention.is_zero() {
            problem(problems, "database.retention", "must be longer than 0");
        }
    }

    fn validate_together(&self, problems: &mut Vec<Problem>) {
        let mut ids = HashMap::new();
        let mut facilities = HashMap::new();
        for (nth, tenant) in self.tenants.iter().enumerate() {
            if let Some(first) = ids.insert(&tenant.id, nth).filter(|_| !tenant.id.is_empty()) {
                let why = format!("{:?} is also the id of tenants[{first}]", tenant.id);
                problem(problems, &format!("tenants[{nth}].id"), why);
            }
            for facility in &tenant.facilities {
                if let Some(first) = facilities.insert(facility, nth).filter(|first| *first != nth)
                {
                    let why = format!("{facility:?} also belongs to tenants[{first}]");
                    problem(problems, &format!("tenants[{nth}].facilities"), why);
                }
            }
        }
    }
}

impl TenantSettings {
    fn validate(&self, path: &str, problems: &mut Vec<Problem>) {
        let id_is_good = (1..=40).contains(&self.id.len())
            && self.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !id_is_good {
            let form = "expected 1 to 40 of a-z, 0-9 and -";
            problem(problems, &format!("{path}.id"), form);
        }
        if self.domain.is_empty() || self.domain.contains('/') || self.domain.starts_with("www.") {
            let form = "expected a domain without www, such as \"znanylekarz.pl\"";
            problem(problems, &format!("{path}.domain"), form);
        } else if let Err(error) = self.base_url() {
            problem(problems, &format!("{path}.base_url"), error);
        }
        if self.client_id.is_empty() {
            problem(problems, &format!("{path}.client_id"), "is required");
        }
        if self.client_secret.is_missing() && self.client_secret_file.is_none() {
            let why = "`client_secret` or `client_secret_file` is required";
            problem(problems, &format!("{path}.client_secret"), why);
        }
        if self.payments.window.is_zero() || self.payments.window > LONGEST_WINDOW {
            let path = format!("{path}.payments.window");
            problem(problems, &path, "must be longer than 0 and at most 30 days");
        }
        if self.payments.grace > LONGEST_GRACE {
            problem(problems, &format!("{path}.payments.grace"), "must be at most 1 day");
        }
        self.limits.validate(&format!("{path}.limits"), problems);
        let offsets = &self.video.reminders;
        let is_good = |offset: &Duration| !offset.is_zero() && *offset <= LONGEST_WINDOW;
        let distinct: HashSet<_> = offsets.iter().map(Duration::as_secs).collect();
        if !offsets.iter().all(is_good) || distinct.len() != offsets.len() {
            let why = "each must be longer than 0, at most 30 days, and different from the others";
            problem(problems, &format!("{path}.video.reminders"), why);
        }
    }
}

impl LimitSettings {
    fn validate(&self, path: &str, problems: &mut Vec<Problem>) {
        if !(1..=MOST_REQUESTS).contains(&self.requests_in_flight) {
            let why = format!("must be 1 to {MOST_REQUESTS}");
            problem(problems, &format!("{path}.requests_in_flight"), why);
        }
        if self.concurrency == Some(0) {
            let why = "must be at least 1, or no delivery could ask its API";
            problem(problems, &format!("{path}.concurrency"), why);
        }
        if !(0.0..=0.9).contains(&self.payment_reserve) {
            let why = "must be 0 to 0.9, a share of the API's quota";
            problem(problems, &format!("{path}.payment_reserve"), why);
        }
    }
}

/// Files for TLS that cannot be used, or that the URL does not use: who names a CA wants no
/// connection in plain text.
fn validate_tls(files: &TlsFiles<'_>, is_tls: bool, secured: &str, problems: &mut Vec<Problem>) {
    for (setting, _) in files.named().filter(|_| !is_tls) {
        problem(problems, &format!("{}.{setting}", files.section), secured);
    }
    if let Err(error) = tls::check(files) {
        problem(problems, &format!("{}.{}", error.section, error.setting), error.problem);
    }
}

fn read_file(
    secret: &mut Credential,
    file: Option<&Path>,
    path: &str,
    problems: &mut Vec<Problem>,
) {
    let Some(file) = file else { return };
    match Credential::in_file(path, file) {
        Ok(in_file) => *secret = in_file,
        Err(error) => problem(problems, path, error),
    }
}

/// Adds a problem, unless the value could not even be read: that is told already.
pub(super) fn problem(problems: &mut Vec<Problem>, path: &str, message: impl Into<String>) {
    if problems.iter().any(|told| told.path == path) {
        return;
    }
    problems.push(Problem { path: path.to_owned(), message: message.into() });
}
