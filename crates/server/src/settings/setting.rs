//! What a row of the table of settings is, and what stands above rows.

use super::kind::ValueKind;

/// A table of the file.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its name; empty for what stands before the first table.
    pub(crate) name: &'static str,
    /// It is written `[[name]]` and may come several times.
    pub(crate) repeats: bool,
    /// What it is about.
    pub(crate) about: &'static str,
    /// Its settings, in the order of the sample file.
    pub(crate) settings: &'static [Setting],
}

impl Section {
    /// As it stands above its settings.
    pub(crate) fn heading(&self) -> String {
        if self.repeats { format!("[[{}]]", self.name) } else { format!("[{}]", self.name) }
    }

    /// Its setting of that name.
    pub(crate) fn find(&self, key: &str) -> Option<&'static Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    /// A running server goes by all of it until it is started again.
    pub(crate) fn is_at_start(&self) -> bool {
        self.settings.iter().all(|setting| setting.at_start)
    }
}

/// A setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Its name.
    pub(crate) key: &'static str,
    /// What may be said.
    pub(crate) kind: ValueKind,
    /// As it would be written in the file; `None` where it must be given, or has no default.
    pub(crate) default: Option<&'static str>,
    /// What the sample file shows where there is no default.
    pub(crate) example: &'static str,
    /// The section or file makes no sense without it.
    pub(crate) required: bool,
    /// The sample file has it in use, though there are others that would do.
    pub(crate) in_sample: bool,
    /// Read at the start only: a reload does not change it.
    pub(crate) at_start: bool,
    /// Why one would set it.
    pub(crate) why: &'static str,
}

/// One with a default.
pub(super) const fn setting(
    key: &'static str,
    kind: ValueKind,
    default: &'static str,
    why: &'static str,
) -> Setting {
    Setting { default: Some(default), ..optional(key, kind, "", why) }
}

/// One that must be given.
pub(super) const fn required(
    key: &'static str,
    kind: ValueKind,
    example: &'static str,
    why: &'static str,
) -> Setting {
    Setting { required: true, ..optional(key, kind, example, why) }
}

/// One that may be left out, and has no default.
pub(super) const fn optional(
    key: &'static str,
    kind: ValueKind,
    example: &'static str,
    why: &'static str,
) -> Setting {
    Setting { key, kind, default: None, example, required: false, in_sample: false, at_start: false, why }
}

/// The same, read at the start only.
pub(super) const fn at_start(setting: Setting) -> Setting {
    Setting { at_start: true, ..setting }
}

/// The same, in use in the sample file.
pub(super) const fn in_sample(setting: Setting) -> Setting {
    Setting { in_sample: true, ..setting }
}
