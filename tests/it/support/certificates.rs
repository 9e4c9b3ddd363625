//! Certificates for clients, by the CA that the servers know or by one that they do not.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

/// A CA.
pub struct Authority {
    folder: PathBuf,
    /// Where certificates are made.
    issued: PathBuf,
}

/// A certificate with its key, both PEM.
pub struct Certificate {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    /// The CA in a folder of `tests/servers`; what it issues is made in another one.
    pub fn of_servers(folder: &Path, issued: &Path) -> Self {
        Self { folder: folder.to_owned(), issued: issued.to_owned() }
    }

    /// A CA that nobody knows.
    pub fn unknown(folder: &Path) -> Self {
        fs::write(folder.join("openssl.cnf"), "[req]\ndistinguished_name = name\n[name]\n")
            .unwrap();
        let authority = Self::of_servers(folder, folder);
        let made = authority.request("Unknown CA", 30, &["-addext", "basicConstraints=CA:TRUE"]);
        fs::write(folder.join("ca.pem"), made.certificate).unwrap();
        fs::write(folder.join("ca.key"), made.key).unwrap();
        authority
    }

    /// Its own certificate.
    pub fn ca(&self) -> String {
        fs::read_to_string(self.folder.join("ca.pem")).unwrap()
    }

    /// A certificate for a client of this name.
    pub fn issue(&self, name: &str) -> Certificate {
        self.issue_for(name, 30)
    }

    /// The same, which ends after so many days.
    pub fn issue_for(&self, name: &str, days: u32) -> Certificate {
        let [ca, key] = ["ca.pem", "ca.key"].map(|file| self.folder.join(file));
        let [ca, key] = [ca.to_str().unwrap(), key.to_str().unwrap()];
        let extension = "basicConstraints=CA:FALSE";
        self.request(name, days, &["-CA", ca, "-CAkey", key, "-addext", extension])
    }

    fn request(&self, name: &str, days: u32, more: &[&str]) -> Certificate {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let made = |ending| self.issued.join(format!("issued-{nth}.{ending}"));
        let arguments = ["req", "-x509", "-noenc", "-newkey", "ec"];
        openssl(
            Command::new("openssl")
                .args(arguments)
                .args(["-pkeyopt", "ec_paramgen_curve:P-256", "-days", &days.to_string()])
                .args(["-subj", &format!("/CN={name}"), "-config"])
                .arg(self.folder.join("openssl.cnf"))
                .arg("-out")
                .arg(made("pem"))
                .arg("-keyout")
                .arg(made("key"))
                .args(more),
        );
        Certificate {
            certificate: fs::read_to_string(made("pem")).unwrap(),
            key: fs::read_to_string(made("key")).unwrap(),
        }
    }
}

/// Runs OpenSSL; what it prints.
pub fn openssl(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
