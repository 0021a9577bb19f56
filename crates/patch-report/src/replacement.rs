//! Files that are replaced as a whole or not at all: what is written goes to a file beside, which takes the old one's name at
//! the very end.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A file under way. Dropped without [`commit`](Self::commit) it leaves everything as it was.
#[derive(Debug)]
pub(crate) struct Replacement {
    path: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
}

impl Replacement {
    /// Begins a file that will be at `path`. Fails at once where it could not be put in the end: in a directory that is not
    /// there, say, or in the place of something that is no file. A file that is there keeps its permissions; a new one has
    /// those of any new file.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let path = resolved(path)?;
        let name = path.file_name().unwrap_or_default();
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.partial", std::process::id()));
        let partial = path.with_file_name(hidden);
        let file = match File::create_new(&partial) {
            // Left by an earlier process of the same number, which was killed.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                fs::remove_file(&partial)?;
                File::create_new(&partial)?
            }
            created => created?,
        };
        let begun = Self {
            path,
            partial,
            file: BufWriter::new(file),
        };
        if let Ok(there) = fs::metadata(&begun.path) {
            begun.file.get_ref().set_permissions(there.permissions())?;
        }
        Ok(begun)
    }

    /// Where the file will be.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Brings all that was written to the disk, which may be full. After that only [`commit`](Self::commit) is left.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }

    /// Puts the file in its place, as it was synced.
    pub(crate) fn commit(self) -> io::Result<()> {
        fs::rename(&self.partial, &self.path)
    }
}

/// The one path of the file that `path` stands for, whether or not it is there. A link stays, what it points at is replaced.
pub(crate) fn resolved(path: &Path) -> io::Result<PathBuf> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => {
            Err(io::Error::other("it is there, and is no regular file"))
        }
        Ok(_) => fs::canonicalize(path),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let name = path
                .file_name()
                .ok_or_else(|| io::Error::other("it is no file's name"))?;
            let directory = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            Ok(fs::canonicalize(directory)?.join(name))
        }
        Err(error) => Err(error),
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Replacement {
    /// After a commit there is nothing left to remove.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.partial);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A directory of its own for a test, which ends with it.
    pub(crate) struct Scratch(PathBuf);

    impl Scratch {
        pub(crate) fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("patch-report-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        pub(crate) fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        pub(crate) fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<String> = entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_is_replaced_at_the_end_and_not_before() {
        let scratch = Scratch::new("replaced");
        let path = scratch.path("report.html");
        fs::write(&path, "old").unwrap();
        let mut file = Replacement::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.sync().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(scratch.names(), ["report.html"]);
    }

    #[test]
    fn a_file_that_is_given_up_leaves_nothing_behind() {
        let scratch = Scratch::new("given-up");
        let path = scratch.path("report.html");
        fs::write(&path, "old").unwrap();
        let mut file = Replacement::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(scratch.names(), ["report.html"]);
    }

    #[test]
    fn what_a_killed_process_left_is_no_hindrance() {
        let scratch = Scratch::new("killed");
        let path = scratch.path("report.html");
        let killed = Replacement::create(&path).unwrap();
        std::mem::forget(killed);
        Replacement::create(&path).unwrap().commit().unwrap();
        assert_eq!(scratch.names(), ["report.html"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_there_keeps_its_permissions() {
        use std::os::unix::fs::PermissionsExt;

        let scratch = Scratch::new("permissions");
        let path = scratch.path("report.html");
        fs::write(&path, "old").unwrap();
        for mode in [0o600, 0o664] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Replacement::create(&path).unwrap().commit().unwrap();
            let found = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode);
        }
    }

    #[test]
    fn a_file_has_one_path_by_whatever_name() {
        let scratch = Scratch::new("resolved");
        fs::create_dir(scratch.path("csv")).unwrap();
        fs::write(scratch.path("there"), "").unwrap();
        for name in ["there", "new"] {
            let one = resolved(&scratch.path(name)).unwrap();
            let other = resolved(&scratch.path(&format!("csv/../{name}"))).unwrap();
            assert_eq!(one, other);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let scratch = Scratch::new("link");
        let (link, target) = (scratch.path("latest.html"), scratch.path("report.html"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let mut file = Replacement::create(&link).unwrap();
        file.write_all(b"new").unwrap();
        file.sync().unwrap();
        file.commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
    }

    #[test]
    fn what_could_not_be_put_in_its_place_is_refused_at_once() {
        let scratch = Scratch::new("refused");
        for path in [
            scratch.path("no/such/directory/report.html"),
            scratch.path("."),
            scratch.path(".."),
            PathBuf::from("/dev/null"),
            PathBuf::new(),
        ] {
            assert!(Replacement::create(&path).is_err(), "{}", path.display());
        }
        assert!(scratch.names().is_empty());
    }
}
