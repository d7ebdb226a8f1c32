//! The values of one table of the file, typed, with defaults filled in.

use super::kind::Value;
use super::setting::Section;
use super::values::Entries;
use ipnet::IpNet;
use std::path::PathBuf;
use store::QuotaLimits;

/// Reads one table's values, defaults filled in. What it is asked for is in the table of
/// settings: the tests ask for everything.
pub(super) struct Reader<'a> {
    /// Its section.
    pub(super) section: &'static Section,
    /// What the file says.
    pub(super) entries: &'a Entries,
}

impl Reader<'_> {
    /// What the file says, else the default.
    pub(super) fn value(&self, key: &str) -> Option<Value> {
        if let Some(value) = self.entries.get(key) {
            return Some(value.clone());
        }
        let setting = self.section.find(key);
        let setting = setting.unwrap_or_else(|| panic!("no setting {key} in [{}]", self.section.name));
        let default: toml_edit::Value = setting.default?.parse().expect("defaults are TOML");
        Some(setting.kind.read(&default).expect("defaults are allowed"))
    }

    /// A text; `None` when it is neither given nor has a default.
    pub(super) fn text_if(&self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::Text(text) => Some(text),
            other => panic!("{key} is no text: {other:?}"),
        }
    }

    /// A text; empty when it is neither given nor has a default.
    pub(super) fn text(&self, key: &str) -> String {
        self.text_if(key).unwrap_or_default()
    }

    /// A path.
    pub(super) fn path(&self, key: &str) -> PathBuf {
        self.text(key).into()
    }

    /// `true` or `false`.
    pub(super) fn bool(&self, key: &str) -> bool {
        matches!(self.value(key), Some(Value::Bool(true)))
    }

    /// A count, a size in bytes or a time in milliseconds.
    pub(super) fn number(&self, key: &str) -> u64 {
        match self.value(key) {
            Some(Value::Number(number)) => number,
            other => panic!("{key} is no number: {other:?}"),
        }
    }

    /// Likewise, as a size of memory.
    pub(super) fn count(&self, key: &str) -> usize {
        usize::try_from(self.number(key)).unwrap_or(usize::MAX)
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        match self.value(key) {
            Some(Value::Texts(texts)) => texts,
            _ => Vec::new(),
        }
    }

    /// A list of networks.
    pub(super) fn networks(&self, key: &str) -> Vec<IpNet> {
        match self.value(key) {
            Some(Value::Networks(networks)) => networks,
            _ => Vec::new(),
        }
    }

    /// Limits.
    pub(super) fn quota(&self, key: &str) -> Option<QuotaLimits> {
        match self.value(key) {
            Some(Value::Quota(limits)) => Some(limits),
            _ => None,
        }
    }
}
