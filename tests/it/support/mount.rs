//! A folder as Kubernetes mounts a secret.

use std::{
    cell::Cell,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// Its files are links through `..data`, which is a link itself: swapping it replaces all of them in one moment,
/// and none of them is ever written to.
pub struct Mount {
    folder: PathBuf,
    version: Cell<u32>,
}

impl Mount {
    pub fn new(folder: &Path, files: &[(&str, &str)]) -> Self {
        fs::create_dir_all(folder).unwrap();
        let mount = Self { folder: folder.to_owned(), version: Cell::new(0) };
        mount.replace(files);
        for (name, _) in files {
            symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
        }
        mount
    }

    /// All files at once; one that is not named is gone.
    pub fn replace(&self, files: &[(&str, &str)]) {
        let version = self.version.replace(self.version.get() + 1);
        let data = format!("..{version}");
        fs::create_dir(self.folder.join(&data)).unwrap();
        for (name, content) in files {
            fs::write(self.folder.join(&data).join(name), content).unwrap();
        }
        let swapped = self.folder.join("..data_tmp");
        symlink(&data, &swapped).unwrap();
        fs::rename(swapped, self.folder.join("..data")).unwrap();
        if let Some(before) = version.checked_sub(1) {
            fs::remove_dir_all(self.folder.join(format!("..{before}"))).unwrap();
        }
    }

    /// A line of the settings that names one of its files.
    pub fn setting(&self, key: &str, file: &str) -> String {
        format!("{key} = {:?}", self.folder.join(file).to_str().unwrap())
    }
}
