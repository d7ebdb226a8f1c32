//! The system's libcrypt: the one place that is not safe Rust.
//!
//! It verifies what is in shadow files: DES, MD5, SHA-256, SHA-512, bcrypt, scrypt, yescrypt.

#![allow(unsafe_code, reason = "libcrypt has a C interface")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use zeroize::Zeroizing;

/// Size of `struct crypt_data` (crypt.h of libxcrypt, part of its ABI).
const CRYPT_DATA_SIZE: usize = 32_768;

#[link(name = "crypt")]
unsafe extern "C" {
    fn crypt_rn(phrase: *const c_char, setting: *const c_char, data: *mut c_void, size: c_int)
    -> *mut c_char;
    fn crypt_gensalt_rn(
        prefix: *const c_char,
        count: std::ffi::c_ulong,
        random: *const c_char,
        random_size: c_int,
        output: *mut c_char,
        output_size: c_int,
    ) -> *mut c_char;
}

/// Hashes `password` by `setting`, which is a hash or the part of it before the checksum.
/// `None` when the setting is not understood, or the password has a NUL in it.
pub(crate) fn hash(password: &[u8], setting: &str) -> Option<String> {
    let phrase = Zeroizing::new(CString::new(password).ok()?.into_bytes_with_nul());
    let setting = CString::new(setting).ok()?;
    let mut data = Zeroizing::new(vec![0_u8; CRYPT_DATA_SIZE]);
    let size = c_int::try_from(data.len()).ok()?;
    // SAFETY: both strings end with NUL and outlive the call; `data` is zeroed memory of the
    // size that is passed, which crypt_rn wants and checks. The result, if it is not null,
    // points into `data` and ends with NUL; it is copied before `data` goes.
    let hashed = unsafe {
        let result = crypt_rn(phrase.as_ptr().cast(), setting.as_ptr(), data.as_mut_ptr().cast(), size);
        if result.is_null() {
            return None;
        }
        CStr::from_ptr(result).to_str().ok()?.to_owned()
    };
    // Failure tokens begin with a star.
    (!hashed.starts_with('*')).then_some(hashed)
}

/// A setting for a new hash of the method with that prefix, such as `$y$`, at that cost (what it
/// means depends on the method; 0 is the usual one).
pub(crate) fn new_setting(prefix: &str, cost: u32) -> Option<String> {
    let prefix = CString::new(prefix).ok()?;
    let mut output = [0_u8; 192];
    let size = c_int::try_from(output.len()).ok()?;
    // SAFETY: `prefix` ends with NUL; without random bytes (null, 0) the library takes its own
    // from the system; `output` has the size that is passed, and the result, if it is not
    // null, is it, ended with NUL.
    let made = unsafe {
        !crypt_gensalt_rn(prefix.as_ptr(), cost.into(), std::ptr::null(), 0, output.as_mut_ptr().cast(), size)
            .is_null()
    };
    let text = CStr::from_bytes_until_nul(&output).ok()?.to_str().ok()?;
    made.then(|| text.to_owned())
}
