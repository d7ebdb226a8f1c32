//! QUOTA and QUOTAROOT (RFC 9208 section 4.2).

use super::string::{mailbox, number, string};

/// A resource of a quota root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resource {
    /// Its name, such as `STORAGE`.
    pub name: &'static str,
    /// What is used of it, in the resource's units.
    pub usage: u64,
    /// What may be.
    pub limit: u64,
}

/// `* QUOTA root (resource usage limit …)`.
pub fn quota(out: &mut Vec<u8>, root: &str, resources: &[Resource]) {
    out.extend_from_slice(b"* QUOTA ");
    string(out, root.as_bytes());
    out.extend_from_slice(b" (");
    for (index, resource) in resources.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(resource.name.as_bytes());
        for value in [resource.usage, resource.limit] {
            out.push(b' ');
            number(out, value);
        }
    }
    out.extend_from_slice(b")\r\n");
}

/// `* QUOTAROOT mailbox root …`.
pub fn quota_root(out: &mut Vec<u8>, name: &str, roots: &[&str]) {
    out.extend_from_slice(b"* QUOTAROOT ");
    mailbox(out, name);
    for root in roots {
        out.push(b' ');
        string(out, root.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_written_as_in_the_rfc() {
        let resource = |name, usage, limit| Resource { name, usage, limit };
        for (root, resources, expected) in [
            ("", &[resource("STORAGE", 10, 512)][..], "* QUOTA \"\" (STORAGE 10 512)\r\n"),
            (
                "#user/alice",
                &[resource("STORAGE", 54, 111), resource("MESSAGE", 42, 1000)],
                "* QUOTA \"#user/alice\" (STORAGE 54 111 MESSAGE 42 1000)\r\n",
            ),
            ("a", &[], "* QUOTA \"a\" ()\r\n"),
        ] {
            let mut out = Vec::new();
            quota(&mut out, root, resources);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
        for (name, roots, expected) in [
            (
                "INBOX",
                &["#user/alice", "!partition/sda4"][..],
                "* QUOTAROOT INBOX \"#user/alice\" \"!partition/sda4\"\r\n",
            ),
            ("two words", &[], "* QUOTAROOT \"two words\"\r\n"),
        ] {
            let mut out = Vec::new();
            quota_root(&mut out, name, roots);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
