//! The keys by which signed tokens are checked: PEM files, directories of them, a JWK set, and
//! the secret of an HMAC. They are read again when a file changes.

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Largest file of keys, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// Shortest secret of an HMAC, in bytes (RFC 7518 section 3.2): those of fewer can be guessed.
const SECRET_MIN: usize = 32;

/// A key, and which tokens it is for.
#[derive(Debug)]
pub(super) struct Key {
    /// Its id; without one it is for tokens of any, unless another key has that id.
    id: Option<String>,
    /// The only algorithm it is for, where its file says so.
    algorithm: Option<Algorithm>,
    /// The key itself.
    pub(super) key: DecodingKey,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Keys {
    pem: Vec<PathBuf>,
    jwks: Option<PathBuf>,
    secret: Option<PathBuf>,
    algorithms: Vec<Algorithm>,
    loaded: Mutex<Option<Loaded>>,
}

/// The keys, and the files as they were before these were read.
type Loaded = (Vec<Stamp>, Arc<Vec<Key>>);

/// What tells a changed file: its path, when it was modified and changed, size and inode.
type Stamp = (PathBuf, [i64; 4], u64, u64);

impl Keys {
    /// Reads nothing yet. Fails at an algorithm that is not known.
    pub(super) fn new(
        pem: Vec<PathBuf>,
        jwks: Option<PathBuf>,
        secret: Option<PathBuf>,
        algorithms: &[String],
    ) -> Result<Self, String> {
        let known = |name: &String| {
            let algorithm: Algorithm =
                name.parse().map_err(|_| format!("{name} is no algorithm of tokens"))?;
            match (algorithm.family(), &secret) {
                (AlgorithmFamily::Hmac, None) => Err(format!("{name} wants an HMAC secret, and none is set")),
                _ => Ok(algorithm),
            }
        };
        let algorithms: Vec<_> = algorithms.iter().map(known).collect::<Result<_, _>>()?;
        if algorithms.is_empty() {
            return Err("no algorithm of tokens is allowed".to_owned());
        }
        Ok(Self { pem, jwks, secret, algorithms, loaded: Mutex::default() })
    }

    /// Whether tokens may be signed so.
    pub(super) fn allows(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// The keys for a token with this id of a key: those of the id, else those without any; for
    /// a token without one, all. Only of the algorithm's family. Fails when a file cannot be
    /// read.
    pub(super) fn fitting(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Vec<Chosen>, String> {
        let all = self.all()?;
        let fits = |key: &Key| {
            key.key.family() == algorithm.family() && key.algorithm.is_none_or(|only| only == algorithm)
        };
        let has_id = id.is_some_and(|id| all.iter().any(|key| key.id.as_deref() == Some(id)));
        let is_meant = |key: &Key| match id {
            Some(id) if has_id => key.id.as_deref() == Some(id),
            Some(_) => key.id.is_none(),
            None => true,
        };
        let chosen = (0..all.len()).filter(|at| fits(&all[*at]) && is_meant(&all[*at]));
        Ok(chosen.map(|at| Chosen { all: all.clone(), at }).collect())
    }

    /// All that is wrong with the files.
    pub(super) fn problems(&self) -> Vec<String> {
        match self.read() {
            Ok((keys, problems)) if keys.is_empty() && problems.is_empty() => {
                vec!["no file has a key for tokens".to_owned()]
            }
            Ok((_, problems)) => problems,
            Err(problem) => vec![problem],
        }
    }

    /// The files are read again at the next token.
    pub(super) fn forget(&self) {
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn all(&self) -> Result<Arc<Vec<Key>>, String> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        // Stamped before reading: a change in between is seen the next time.
        let stamps = self.stamps()?;
        if let Some((_, keys)) = loaded.as_ref().filter(|(at, _)| *at == stamps) {
            return Ok(keys.clone());
        }
        let (keys, problems) = self.read()?;
        problems.iter().for_each(|problem| tracing::warn!("{problem}"));
        let keys = Arc::new(keys);
        *loaded = Some((stamps, keys.clone()));
        Ok(keys)
    }

    /// The files with PEM keys, and the ids that their names give.
    fn pem_files(&self) -> Result<Vec<(PathBuf, Option<String>)>, String> {
        let mut files = Vec::new();
        for path in &self.pem {
            if !path.is_dir() {
                files.push((path.clone(), None));
                continue;
            }
            let mut inside = Vec::new();
            for entry in std::fs::read_dir(path).map_err(|error| cannot_read(path, &error))? {
                let file = entry.map_err(|error| cannot_read(path, &error))?.path();
                let id = file.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
                if file.extension().is_some_and(|end| end == "pem") && id.is_some() {
                    inside.push((file, id));
                }
            }
            inside.sort();
            files.append(&mut inside);
        }
        Ok(files)
    }

    fn stamps(&self) -> Result<Vec<Stamp>, String> {
        let pem = self.pem_files()?.into_iter().map(|(path, _)| path);
        let all = pem.chain(self.jwks.clone()).chain(self.secret.clone());
        all.map(|path| {
            let data = std::fs::metadata(&path).map_err(|error| cannot_read(&path, &error))?;
            let times = [data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()];
            Ok((path, times, data.size(), data.ino()))
        })
        .collect()
    }

    /// The keys, and what was passed over.
    fn read(&self) -> Result<(Vec<Key>, Vec<String>), String> {
        let (mut keys, mut problems) = (Vec::new(), Vec::new());
        for (path, id) in self.pem_files()? {
            match of_pem(&read_file(&path)?) {
                Some(key) => keys.push(Key { id, algorithm: None, key }),
                None => problems.push(format!("{}: no public key in PEM form", path.display())),
            }
        }
        if let Some(path) = &self.jwks {
            let set: JwkSet = serde_json::from_slice(&read_file(path)?)
                .map_err(|error| format!("{}: no JWK set: {error}", path.display()))?;
            for jwk in &set.keys {
                match of_jwk(jwk) {
                    Ok(key) => keys.extend(key),
                    Err(why) => problems.push(format!("{}: a key is passed over: {why}", path.display())),
                }
            }
        }
        if let Some(path) = &self.secret {
            let bytes = read_file(path)?;
            let secret = bytes.trim_ascii_end();
            if secret.len() < SECRET_MIN {
                return Err(format!("{}: the secret is shorter than {SECRET_MIN} bytes", path.display()));
            }
            keys.push(Key { id: None, algorithm: None, key: DecodingKey::from_secret(secret) });
        }
        Ok((keys, problems))
    }
}

/// One of the keys that were loaded together.
#[derive(Debug)]
pub(super) struct Chosen {
    all: Arc<Vec<Key>>,
    at: usize,
}

impl std::ops::Deref for Chosen {
    type Target = Key;

    fn deref(&self) -> &Key {
        &self.all[self.at]
    }
}

/// A public key of whichever kind. A certificate's is its, and not read here.
fn of_pem(pem: &[u8]) -> Option<DecodingKey> {
    // A private key lies there by mistake; and what a reader of RSA keys makes of one is no
    // public key.
    if pem.windows(11).any(|window| window == b"PRIVATE KEY") {
        return None;
    }
    let kinds = [DecodingKey::from_rsa_pem, DecodingKey::from_ec_pem, DecodingKey::from_ed_pem];
    kinds.iter().find_map(|read| read(pem).ok())
}

/// `None`: the key is for encryption.
fn of_jwk(jwk: &Jwk) -> Result<Option<Key>, String> {
    if jwk.common.public_key_use.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature) {
        return Ok(None);
    }
    if matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_)) {
        return Err("a symmetric key".to_owned());
    }
    let algorithm = match jwk.common.key_algorithm {
        Some(algorithm) => {
            Some(algorithm.to_string().parse().map_err(|_| "of an unknown algorithm".to_owned())?)
        }
        None => None,
    };
    let key = DecodingKey::from_jwk(jwk).map_err(|error| error.to_string())?;
    Ok(Some(Key { id: jwk.common.key_id.clone(), algorithm, key }))
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let size = std::fs::metadata(path).map_err(|error| cannot_read(path, &error))?.size();
    if size > FILE_MAX {
        return Err(format!("{}: too large for keys", path.display()));
    }
    std::fs::read(path).map_err(|error| cannot_read(path, &error))
}

fn cannot_read(path: &Path, error: &io::Error) -> String {
    format!("{}: cannot be read: {error}", path.display())
}
