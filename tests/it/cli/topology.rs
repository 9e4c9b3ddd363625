//! `topology`: one list, declared or exported, and the same for the broker either way.

use serde_json::Value;

use super::with_config;
use crate::support::Story;

/// A story whose settings name a virtual host with nothing in it; removed at the end.
struct EmptyVhost {
    story: Story,
    name: String,
}

impl EmptyVhost {
    async fn begin() -> Self {
        let mut story = Story::begin().await;
        let name = format!("{}_empty", story.vhost());
        story.servers.create_vhost(&name).await;
        story.settings.amqp_url = story.servers.amqp_url(&name);
        Self { story, name }
    }

    /// What the broker has under this virtual host: `queues`, `exchanges` or `bindings`, by name.
    async fn names(&self, what: &str) -> Vec<String> {
        let text = self.story.servers.management("GET", &format!("{what}/{}", self.name), "").await;
        let all: Vec<Value> = serde_json::from_str(&text).unwrap();
        let name = |one: &Value| one["name"].as_str().unwrap_or_default().to_owned();
        let mut names: Vec<_> = all.iter().map(name).collect();
        // The exchanges that every virtual host has.
        names.retain(|name| !name.is_empty() && !name.starts_with("amq."));
        names.sort();
        names
    }

    async fn run(&self, command: &[&str]) -> crate::support::worker::Ran {
        with_config(command, &self.story.config_file(), "").await
    }
}

impl Drop for EmptyVhost {
    fn drop(&mut self) {
        self.story.servers.remove(&self.name, &format!("{}_none", self.name));
    }
}

#[tokio::test]
async fn what_is_exported_can_be_imported_and_is_what_is_declared() {
    let vhost = EmptyVhost::begin().await;
    let exported = vhost.run(&["topology", "export"]).await;
    assert_eq!((exported.code, exported.stderr.as_str()), (0, ""));

    let import = format!("definitions/{}", vhost.name);
    vhost.story.servers.management("POST", &import, &exported.stdout).await;

    let (queues, exchanges) = (vhost.names("queues").await, vhost.names("exchanges").await);
    assert_eq!(queues.len(), 10, "{queues:?}");
    assert_eq!(exchanges, ["docplanner.events", "docplanner.events.unrouted"]);

    let declared = vhost.run(&["topology", "declare"]).await;
    assert_eq!(declared.code, 0, "{}", declared.stderr);
    let checked = vhost.run(&["check", "--connect"]).await;
    assert_eq!(checked.code, 0, "{}", checked.stdout);
    assert_eq!(vhost.names("queues").await, queues);
}

#[tokio::test]
async fn declaring_twice_changes_nothing() {
    let vhost = EmptyVhost::begin().await;
    let first = vhost.run(&["topology", "declare"]).await;
    let second = vhost.run(&["topology", "declare"]).await;
    assert_eq!((first.code, second.code), (0, 0), "{}{}", first.stderr, second.stderr);
    assert_eq!(first.stdout, second.stdout);
    for name in [vhost.names("queues").await, vhost.names("exchanges").await].concat() {
        assert!(first.stdout.contains(&name), "{name} is told in {}", first.stdout);
    }
}

#[tokio::test]
async fn a_queue_with_other_arguments_is_a_problem_with_a_remedy() {
    let vhost = EmptyVhost::begin().await;
    let classic = r#"{"durable": true, "arguments": {}}"#;
    let queue = format!("queues/{}/docplanner.notifications", vhost.name);
    vhost.story.servers.management("PUT", &queue, classic).await;

    let declared = vhost.run(&["topology", "declare"]).await;
    assert_eq!(declared.code, 1);
    assert!(declared.stderr.contains("PRECONDITION_FAILED"), "{}", declared.stderr);
    let checked = vhost.run(&["check", "--connect"]).await;
    assert_eq!(checked.code, 1);
    let told = "ERROR    queue docplanner.notifications: PRECONDITION_FAILED";
    assert!(checked.stdout.contains(told), "{}", checked.stdout);
    assert!(checked.stdout.contains("remedy: empty and delete it"), "{}", checked.stdout);
}

#[tokio::test]
async fn a_worker_that_may_not_declare_waits_until_somebody_else_has() {
    let mut vhost = EmptyVhost::begin().await;
    vhost.story.settings.broker.push("declare_topology = false".into());
    let worker = vhost.story.worker_not_ready().await;
    worker.until_logged("not consuming").await;
    assert!(!worker.is_ready().await);
    assert!(vhost.names("queues").await.is_empty());
    assert!(vhost.names("exchanges").await.is_empty());

    let declared = vhost.run(&["topology", "declare"]).await;
    assert_eq!(declared.code, 0, "{}", declared.stderr);
    worker.until_ready().await;
    assert!(worker.stop().await.success());
}
