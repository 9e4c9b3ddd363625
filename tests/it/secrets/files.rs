//! Files that cannot be used, told with the settings; and certificates that end soon.

use std::{fs, path::Path, process::Command};

use chrono::{TimeDelta, Utc};
use docplanner_worker::{config::Settings, tls};

use crate::{
    cli::with_config,
    support::certificates::{Authority, openssl},
};

const TENANT: &str = "[[tenants]]\nid = \"a\"\ndomain = \"znanylekarz.pl\"\nclient_id = \"a\"\nclient_secret = \"s\"\n";

/// The problems of settings with these lines for both servers.
fn problems(urls: [&str; 2], lines: &str) -> Vec<String> {
    let [broker, database] = urls;
    let text = format!(
        "[broker]\nurl = {broker:?}\n{lines}\n[database]\nurl = {database:?}\n{lines}\n{TENANT}"
    );
    match Settings::parse(&text, []) {
        Ok(_) => vec![],
        Err(problems) => problems.to_string().lines().map(str::to_owned).collect(),
    }
}

const SECURE: [&str; 2] = ["amqps://mq", "postgres://worker@db/worker?sslmode=verify-full"];

fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn write(folder: &Path, name: &str, content: &str) -> String {
    let file = folder.join(name);
    fs::write(&file, content).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_setting() {
    let folder = folder("tls-files");
    let authority = Authority::unknown(&folder);
    let (own, other) = (authority.issue("own"), authority.issue("other"));
    let ca = write(&folder, "good-ca", &authority.ca());
    let cert = write(&folder, "cert", &own.certificate);
    let key = write(&folder, "key", &own.key);
    let other_key = write(&folder, "other-key", &other.key);
    let half = write(&folder, "half", &own.certificate[..own.certificate.len() / 2]);
    let empty = write(&folder, "empty", "");
    let text = write(&folder, "text", "-----BEGIN swordfish");

    let good = format!("ca_file = {ca:?}\nclient_cert_file = {cert:?}\nclient_key_file = {key:?}");
    assert_eq!(problems(SECURE, &good), [""; 0]);
    for (lines, expected) in [
        (
            format!("client_cert_file = {cert:?}"),
            "client_cert_file: needs client_key_file beside it",
        ),
        (format!("client_key_file = {key:?}"), "client_key_file: needs client_cert_file beside it"),
        (
            "ca_file = \"/nonexistent\"".to_owned(),
            "ca_file: cannot read /nonexistent: No such file or directory (os error 2)",
        ),
        (format!("ca_file = {empty:?}"), "ca_file: EMPTY holds no certificate in PEM"),
        (format!("ca_file = {half:?}"), "ca_file: HALF is not whole, or is no PEM"),
        (format!("ca_file = {key:?}"), "ca_file: KEY holds no certificate in PEM"),
        (
            format!("client_cert_file = {cert:?}\nclient_key_file = {text:?}"),
            "client_key_file: TEXT holds no key in PEM: PKCS#8, PKCS#1 or SEC1, without a password",
        ),
        (
            format!("client_cert_file = {cert:?}\nclient_key_file = {other_key:?}"),
            "client_key_file: OTHER is not the certificate's key",
        ),
    ] {
        let expected = expected
            .replace("EMPTY", &empty)
            .replace("HALF", &half)
            .replace("TEXT", &text)
            .replace("OTHER", &other_key)
            .replace("KEY holds", &format!("{key} holds"));
        let told = problems(SECURE, &lines);
        assert_eq!(told.len(), 2, "{told:?}");
        for (problem, section) in told.iter().zip(["broker", "database"]) {
            assert!(problem.starts_with(&format!("{section}.{expected}")), "{problem}");
        }
    }

    let plain = ["amqp://mq", "postgres://worker@db/worker"];
    let told = problems(plain, &format!("ca_file = {ca:?}"));
    let expected = [
        "broker.ca_file: has no effect without amqps:// in broker.url",
        "database.ca_file: is not sure to be used without sslmode=verify-full in database.url",
    ];
    assert_eq!(told, expected);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn keys_are_taken_in_every_form() {
    let folder = folder("tls-keys");
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let config = write(&folder, "openssl.cnf", "[req]\ndistinguished_name = name\n[name]\n");
    for (form, make, certified) in [
        ("PRIVATE KEY", "genpkey -algorithm ed25519 -out", true),
        ("PRIVATE KEY", "genpkey -algorithm rsa -out", true),
        ("RSA PRIVATE KEY", "genrsa -traditional -out", true),
        ("EC PRIVATE KEY", "ecparam -name prime256v1 -genkey -noout -out", true),
        (
            "ENCRYPTED PRIVATE KEY",
            "genpkey -algorithm rsa -aes256 -pass pass:swordfish -out",
            false,
        ),
    ] {
        let (key, cert) = (path("key"), path("cert"));
        openssl(Command::new("openssl").args(make.split(' ')).arg(&key));
        let pem = fs::read_to_string(&key).unwrap();
        assert!(pem.contains(&format!("-----BEGIN {form}-----")), "{pem}");
        let request = ["req", "-x509", "-subj", "/CN=own", "-passin", "pass:swordfish"];
        openssl(
            Command::new("openssl")
                .args(request)
                .args(["-config", &config, "-key", &key, "-out", &cert])
                .args(["-addext", "basicConstraints=CA:FALSE"]),
        );
        let told =
            problems(SECURE, &format!("client_cert_file = {cert:?}\nclient_key_file = {key:?}"));
        assert_eq!(told.is_empty(), certified, "{form}: {told:?}");
    }
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_a_warning() {
    let folder = folder("tls-ends");
    let authority = Authority::unknown(&folder);
    for (days, told) in [(30, None), (7, Some("WARNING"))] {
        let own = authority.issue_for("own", days);
        let cert = write(&folder, "cert", &own.certificate);
        let key = write(&folder, "key", &own.key);
        let lines = format!("client_cert_file = {cert:?}\nclient_key_file = {key:?}\n");
        let text = format!("[broker]\nurl = {:?}\n{lines}{TENANT}", SECURE[0]);
        let config = write(&folder, "worker.toml", &text);
        let ran = with_config(&["check"], Path::new(&config), "").await;
        assert_eq!(ran.code, 0, "{days} days: {}{}", ran.stdout, ran.stderr);
        let line = ran.stdout.lines().find(|line| line.contains("broker.client_cert_file"));
        assert_eq!(line.map(|line| &line[..7]), told, "{days} days: {}", ran.stdout);

        let settings = Settings::parse(&text, []).unwrap();
        let [end] = tls::expiries(&settings.broker.tls_files()).unwrap()[..] else { panic!() };
        let days_from_now = |days: u32| Utc::now() + TimeDelta::days(days.into());
        assert!(!end.is_over(days_from_now(days - 1)));
        assert!(end.is_over(days_from_now(days + 1)));
    }
    fs::remove_dir_all(folder).unwrap();
}
