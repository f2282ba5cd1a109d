//! The file with the secret key: 64 hexadecimal digits, as Pubky's own servers keep theirs. It is made once and never
//! written over, since the key is the server's name.

use pkarr::Keypair;
use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// The key in the file; a new one, if there is no file.
///
/// # Errors
/// If the file can't be read or written, or holds no key.
pub(super) fn read_or_make(file: &Path) -> io::Result<Keypair> {
    read_file(file)?.map_or_else(|| make(file), Ok)
}

/// The key in the file, if there is a file.
///
/// # Errors
/// If the file can't be read, or holds no key.
pub(super) fn read_file(file: &Path) -> io::Result<Option<Keypair>> {
    match fs::read_to_string(file) {
        Ok(text) => read(&text).map(Some).ok_or_else(|| damaged(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(named(file, &error)),
    }
}

fn read(text: &str) -> Option<Keypair> {
    let bytes = hex::decode(text.trim()).ok()?;
    Some(Keypair::from_secret_key(&bytes.try_into().ok()?))
}

/// Nobody else may read it; a file that appears meanwhile is left alone.
fn make(file: &Path) -> io::Result<Keypair> {
    let pair = Keypair::random();
    let write = || {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut made = File::options().write(true).create_new(true).mode(0o600).open(file)?;
        writeln!(made, "{}", hex::encode(pair.secret_key()))?;
        made.sync_all()
    };
    write().map_err(|error| named(file, &error))?;
    Ok(pair)
}

fn damaged(file: &Path) -> io::Error {
    let reason = format!("{} holds no key: 64 hexadecimal digits are expected", file.display());
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn named(file: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/secret");
        assert!(read_file(&file).unwrap().is_none() && !file.exists(), "reading makes none");
        let made = read_or_make(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_or_make(&file).unwrap().to_z32(), made.to_z32());
        assert_eq!(Keypair::from_secret_key_file(&file).unwrap().to_z32(), made.to_z32(), "as others read it");
    }

    #[test]
    fn what_is_no_key_is_told_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for (n, text) in ["", "00", "zz", &"ab".repeat(33), &"é".repeat(32)].into_iter().enumerate() {
            let file = folder.path().join(n.to_string());
            fs::write(&file, text).unwrap();
            let error = read_or_make(&file).map(|pair| pair.to_z32()).unwrap_err();
            assert!(error.to_string().contains(&file.display().to_string()), "{error}");
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        assert!(read_or_make(folder.path()).is_err(), "a folder is no key");
    }
}
