//! `check --connect`: the operator's doctor, against real servers.

use std::time::Duration;

use docplanner_worker::simulator::api::{Fault, RateLimit};
use serde_json::{Value, json};

use super::with_config;
use crate::support::{Story, clinic, until};

/// What the doctor told.
struct Checked {
    code: i32,
    findings: Vec<Value>,
}

impl Checked {
    async fn of(story: &Story) -> Self {
        Self::with(story, &["--management-url", &story.servers.management_url()]).await
    }

    async fn with(story: &Story, more: &[&str]) -> Self {
        let command = [&["check", "--connect", "--output", "json"], more].concat();
        let ran = with_config(&command, &story.config_file(), "").await;
        let findings = serde_json::from_str(&ran.stdout);
        let findings = findings.unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
        Self { code: ran.code, findings }
    }

    /// Asks until this is told: the management API tells policies some seconds late.
    async fn until(story: &Story, level: &str, begin: &str) -> Self {
        until("the doctor tells it", async || {
            let checked = Self::of(story).await;
            checked.told(level).iter().any(|it| it.starts_with(begin)).then_some(checked)
        })
        .await
    }

    /// What was found of this level, each as `where: what`.
    fn told(&self, level: &str) -> Vec<String> {
        let of_level = self.findings.iter().filter(|finding| finding["level"] == level);
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        of_level.map(|it| format!("{}: {}", text(it, "where"), text(it, "what"))).collect()
    }

    /// The one finding of this level that begins so, and its remedy.
    fn remedy(&self, level: &str, begin: &str) -> String {
        let told = self.told(level);
        let found: Vec<_> = told.iter().filter(|line| line.starts_with(begin)).collect();
        assert_eq!(found.len(), 1, "{level} {begin}: {:#?}", self.findings);
        let (place, what) = found[0].split_once(": ").unwrap();
        let finding = self.findings.iter().find(|it| it["where"] == place && it["what"] == what);
        finding.unwrap()["remedy"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn everything_right_is_told_and_changes_nothing() {
    let mut story = Story::begin().await;
    let _worker = story.worker().await;
    let checked = Checked::until(&story, "ok", "policies: none contradicts").await;
    assert_eq!((checked.code, checked.told("error"), checked.told("warning")), (0, vec![], vec![]));
    let good = checked.told("ok").join("\n");
    for told in [
        "settings: valid",
        "broker: it takes our login, without TLS",
        "exchanges: 2 exchanges of the type",
        "queues: 10 queues of the type",
        "permissions: may declare, consume and publish",
        "broker alarm: none",
        "broker version: RabbitMQ ",
        "bindings: all 7 are there",
        "policies: none contradicts",
        "database: PostgreSQL ",
        "database durability: what is committed",
        "database clock: within",
        "database schema: at version",
        "database privileges: all",
        "database connections: ",
        "memory: bodies in flight take at most 128 MiB",
        "pods: 1 consuming, with up to 512 deliveries",
        "API of tenant acme: it takes our credentials",
        "API of tenant acme: facilities that it shows: ",
        "API of tenant acme: address ",
        "API of tenant acme: its clock is within",
    ] {
        assert!(good.contains(told), "{told}: {good}");
    }
    // Neither consumed nor published.
    story.deliver(&clinic::slot_booked("1", clinic::ONSITE)).await;
    assert_eq!(story.next_event().await.booking(), "1");
    assert!(story.broker.further_events().is_empty());
    assert!(story.broker.further_dead_letters().is_empty());

    let ran = with_config(&["check", "--connect"], &story.config_file(), "").await;
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert!(ran.stdout.contains("note     management API: it "), "{}", ran.stdout);
    assert!(ran.stdout.contains("list_bindings"), "{}", ran.stdout);
}

#[tokio::test]
async fn every_server_that_refuses_us_is_told_with_a_remedy() {
    let mut story = Story::begin().await;
    story.settings.amqp_url = story.settings.amqp_url.replace("guest:guest", "guest:wrong");
    story.settings.database_url = story.servers.database_url("no_such_database");
    let base_url = story.docplanner.base_url();
    story.settings.more = format!(
        "[[tenants]]\nid = \"beta\"\ndomain = \"doctoralia.es\"\nbase_url = {base_url:?}\n\
         client_id = \"demo\"\nclient_secret = \"wrong\"\nfacilities = [\"2\"]\n"
    );
    let checked = Checked::of(&story).await;
    assert_eq!(checked.code, 1);
    assert_eq!(checked.told("error").len(), 3, "{:#?}", checked.findings);
    assert!(checked.remedy("error", "broker: ").contains("broker.url"));
    assert!(checked.remedy("error", "database: ").contains("database.url"));
    assert!(checked.remedy("error", "API of tenant beta: no token").contains("client_secret"));
    assert!(!format!("{:?}", checked.findings).contains("wrong"), "no secret is told");

    let only = Checked::with(&story, &["--tenant", "acme"]).await;
    assert_eq!(only.told("error").len(), 2, "{:#?}", only.findings);
    let command = ["check", "--connect", "--tenant", "gamma"];
    assert_eq!(with_config(&command, &story.config_file(), "").await.code, 2);
}

#[tokio::test]
async fn what_the_broker_lacks_is_told_one_by_one() {
    let story = Story::begin().await;
    let vhost = story.vhost().to_owned();
    story.delete("queues", "docplanner.notifications.dead").await;
    story.delete("queues", "docplanner.notifications").await;
    // Without a delivery limit.
    let queue = json!({ "durable": true, "arguments": {
        "x-queue-type": "quorum", "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "docplanner.notifications.dead",
        "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish" } });
    let path = format!("queues/{vhost}/docplanner.notifications");
    story.servers.management("PUT", &path, &queue.to_string()).await;
    let binding = "docplanner.events/q/partner.onsite/%2A.onsite.no_payment.%23";
    let path = format!("bindings/{vhost}/e/{binding}");
    story.servers.management("DELETE", &path, "").await;

    let checked = Checked::of(&story).await;
    assert_eq!(checked.code, 1);
    let limit = checked
        .told("error")
        .into_iter()
        .find(|it| it.starts_with("queue docplanner.notifications: "));
    assert!(limit.as_ref().is_some_and(|it| it.contains("x-delivery-limit")), "{limit:?}");
    assert!(checked.remedy("error", "queue docplanner.notifications: ").contains("delete it"));
    let missing = checked.remedy("error", "queue docplanner.notifications.dead: it is not there");
    assert!(missing.contains("topology declare"), "{missing}");
    checked.remedy("error", "binding of partner.onsite: docplanner.events does not lead there");
    // Looking did not declare it.
    assert!(!story.broker.has("docplanner.notifications.dead").await);
}

#[tokio::test]
async fn a_policy_that_loses_dead_letters_is_told() {
    let story = Story::begin().await;
    let path = format!("policies/{}/short", story.vhost());
    let policy = json!({ "pattern": "^docplanner", "apply-to": "queues",
                         "definition": { "message-ttl": 3_600_000, "max-length": 1000 } });
    story.servers.management("PUT", &path, &policy.to_string()).await;
    let place = "policy short on queue docplanner.notifications.dead: ";
    let checked = Checked::until(&story, "error", place).await;
    assert_eq!(checked.code, 1);
    let ttl = format!("{place}message-ttl = 3600000: dead letters disappear");
    assert!(checked.remedy("error", &ttl).contains("list_policies"));
    checked.remedy("error", &format!("{place}max-length = 1000: the oldest"));
    checked.remedy(
        "warning",
        "policy short on queue docplanner.notifications.retry.200ms: max-length",
    );
}

#[tokio::test]
async fn what_a_user_of_the_broker_may_not_do_is_told_without_doing_it() {
    let mut story = Story::begin().await;
    let (vhost, user) = (story.vhost().to_owned(), format!("{}_user", story.vhost()));
    story.servers.create_user(&vhost, &user, "pass").await;
    let none = r#"{"configure":"","write":"^docplanner","read":"^partner"}"#;
    story.servers.management("PUT", &format!("permissions/{vhost}/{user}"), none).await;
    story.settings.amqp_url =
        story.settings.amqp_url.replace("guest:guest", &format!("{user}:pass"));
    let checked = Checked::of(&story).await;
    assert_eq!(checked.code, 1);
    let configure = checked.remedy("error", "permission to configure: ");
    assert!(configure.contains("declare_topology = false"), "{configure}");
    let errors = checked.told("error");
    assert_eq!(
        errors.iter().filter(|it| it.starts_with("permission to read: ")).count(),
        2,
        "{errors:?}"
    );
    let write = checked.remedy("error", "permission to write: ");
    assert!(write.contains("amq.default"), "{write}");
    // A user without the tag cannot ask the management API.
    let management = checked.remedy("note", "management API: it answers our user with status 401");
    assert!(management.contains("list_policies"), "{management}");

    let all = r#"{"configure":"","write":".*","read":".*"}"#;
    story.servers.management("PUT", &format!("permissions/{vhost}/{user}"), all).await;
    story.settings.broker.push("declare_topology = false".into());
    let checked = Checked::of(&story).await;
    assert_eq!((checked.code, checked.told("error")), (0, vec![]));
    story.servers.management("DELETE", &format!("users/{user}"), "").await;
}

#[tokio::test]
async fn what_the_role_may_not_use_and_newer_migrations_are_told() {
    let mut story = Story::begin().await;
    let role = format!("{}_role", story.database());
    story.sql(&format!("CREATE ROLE {role} LOGIN")).await;
    story
        .sql(
            "INSERT INTO refinery_schema_history VALUES (99, 'later', '2026-01-01T00:00:00Z', '0')",
        )
        .await;
    story.sql(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")).await;
    story.sql("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC").await;
    let (_, address) = story.settings.database_url.split_once('@').unwrap();
    story.settings.database_url = format!("postgres://{role}@{address}");
    let checked = Checked::of(&story).await;
    assert_eq!(checked.code, 1);
    let newer = checked.remedy("note", "database schema: at version 99");
    assert!(newer.contains("upgrade"), "{newer}");
    let granted = checked.remedy("error", "database privileges: the role may not use");
    assert!(granted.contains("GRANT"), "{granted}");
    let told = checked.told("error").join("\n");
    for name in ["table inbox", "sequence address_flags_moments", "function claim_in_order"] {
        assert!(told.contains(name), "{name}: {told}");
    }

    let all = format!(
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}; \
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {role}"
    );
    story.sql(&all).await;
    let checked = Checked::of(&story).await;
    assert_eq!((checked.code, checked.told("error")), (0, vec![]));
    story.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

/// What a migration adds has to be looked at too.
#[tokio::test]
async fn every_table_sequence_and_function_of_the_migrations_is_looked_at() {
    let mut story = Story::begin().await;
    let role = format!("{}_none", story.database());
    story.sql(&format!("CREATE ROLE {role} LOGIN")).await;
    story.sql(&format!("GRANT SELECT ON refinery_schema_history TO {role}")).await;
    story.sql("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC").await;
    let (_, address) = story.settings.database_url.split_once('@').unwrap();
    story.settings.database_url = format!("postgres://{role}@{address}");
    let checked = Checked::of(&story).await;
    let told = checked.told("error");
    let privileges = told.iter().find(|it| it.starts_with("database privileges: ")).unwrap();
    let (_, named) = privileges.split_once("all of: ").unwrap();
    let mut named: Vec<_> = named.split(", ").map(str::to_owned).collect();
    named.sort();
    let existing = story
        .sql(
            "SELECT string_agg(it, ',' ORDER BY it COLLATE \"C\") FROM (
               SELECT CASE relkind WHEN 'S' THEN 'sequence ' ELSE 'table ' END || relname AS it FROM pg_class
               WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')
                 AND relname <> 'refinery_schema_history'
                 AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'i')
               UNION SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace) AS every",
        )
        .await;
    assert_eq!(named, existing.split(',').collect::<Vec<_>>());
    story.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn frozen_servers_cost_a_deadline_and_hide_nothing_else() {
    let mut story = Story::begin().await;
    // They take connections and say nothing.
    let frozen = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = frozen.local_addr().unwrap();
    story.settings.amqp_url = format!("amqp://guest:guest@{address}/%2f");
    story.settings.database_url = format!("postgres://worker@{address}/worker");
    story.docplanner.fault(Fault::hang().on("/facilities"));
    let checked = Checked::with(&story, &[]).await;
    story.docplanner.clear_faults();
    assert_eq!(checked.code, 1);
    let errors = checked.told("error");
    for server in ["broker: ", "database: ", "API of tenant acme: it did not answer within "] {
        assert!(errors.iter().any(|it| it.starts_with(server)), "{server}: {errors:?}");
    }
}

#[tokio::test]
async fn what_a_tenant_should_know_of_its_api_is_told() {
    let mut story = Story::begin().await;
    story.settings.tenant.push("facilities = [\"1\", \"404\"]".into());
    story.docplanner.set_seconds_ahead(-90);
    story.docplanner.set_rate_limit(Some(RateLimit::new(20, Duration::from_hours(1))));
    story.docplanner.forget_requests();
    let checked = Checked::of(&story).await;
    assert_eq!(checked.code, 0, "{:#?}", checked.findings);
    let place = "API of tenant acme: ";
    let clock = checked.told("warning").into_iter().find(|it| it.contains("its clock is"));
    assert!(clock.is_some_and(|it| it.contains("behind ours")), "{:#?}", checked.findings);
    checked.remedy(
        "warning",
        &format!("{place}it does not show these facilities to this client: 404"),
    );
    let left = checked.told("ok").into_iter().find(|it| it.contains("of 20 requests are left"));
    assert!(left.is_some(), "{:#?}", checked.findings);
    assert!(story.docplanner.count("") <= 6, "{:?}", story.docplanner.requests());
}

#[tokio::test]
async fn who_would_get_nothing_because_nothing_is_mapped_is_told() {
    let mut story = Story::begin().await;
    story.settings.more = "[tenants.mapping]\non_missing = \"hold\"\n".into();
    let checked = Checked::of(&story).await;
    assert_eq!(checked.code, 1);
    let remedy = checked.remedy("error", "mapping of tenant acme: nothing is mapped");
    assert!(remedy.contains("mapping import"), "{remedy}");

    let row = "kind,address_id,docplanner_id,partner_id,online\ndoctor,,1,D,\n";
    let import = ["mapping", "import", "--tenant", "acme", "-"];
    assert_eq!(with_config(&import, &story.config_file(), row).await.code, 0);
    let checked = Checked::of(&story).await;
    assert_eq!((checked.code, checked.told("error")), (0, vec![]));
    assert!(checked.told("ok").contains(&"mapping of tenant acme: 1 rows".to_owned()));
}
