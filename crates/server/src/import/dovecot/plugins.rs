//! Plugins: quota is ours too, the rest is said.

use super::{Import, table, units};
use crate::import::doveconf::Block;
use crate::import::draft::Origin;
use crate::import::survey;
use store::QuotaLimits;

/// A rule of the quota, such as `*:storage=1G`.
#[derive(Debug)]
pub(super) struct QuotaRule {
    /// Its name, as user sources have it: `quota_rule2`.
    pub(super) key: String,
    pub(super) value: String,
    pub(super) origin: Origin,
}

impl Import {
    /// Sets the quota, and says which plugins are missed.
    pub(super) fn plugins(&mut self) {
        self.seen.extend(["plugin", "mail_plugins", "quota"].map(str::to_owned));
        let imap = self.root.of_kind("protocol").filter(|block| block.name == "imap");
        let words = imap.chain([&self.root]).filter_map(|block| block.words("mail_plugins"));
        let mut plugins: Vec<String> = words.flatten().collect();
        plugins.sort();
        plugins.dedup();
        if plugins.iter().any(|plugin| plugin == "quota") {
            self.quota();
        }
        if plugins.iter().any(|plugin| plugin == "listescape") {
            self.listescape();
        }
        let is_compressing = |plugin: &&String| ["zlib", "mail_compress"].contains(&plugin.as_str());
        if plugins.iter().any(|plugin| is_compressing(&plugin)) {
            self.compression();
        }
        for plugin in plugins.iter().filter(|plugin| *plugin != "$mail_plugins") {
            if let Some(why) = table::plugin(plugin) {
                self.lose("mail_plugins", plugin, why);
            }
        }
    }

    /// How Dovecot compresses new messages; those that are there may be of any kind.
    fn compression(&mut self) {
        self.seen.insert("mail_compress_write_method".to_owned());
        let in_plugin = self.root.of_kind("plugin").filter_map(|block| block.get("zlib_save"));
        let given = in_plugin.last().map(|method| ("plugin zlib_save", method.to_owned()));
        let given = given.or_else(|| {
            let method = self.root.get("mail_compress_write_method")?;
            Some(("mail_compress_write_method", method.to_owned()))
        });
        match given.filter(|(_, method)| !method.is_empty()) {
            Some((setting, method)) => self.lose(setting, &method, survey::compressed(&method)),
            None => self.lose("mail_plugins", "zlib", survey::COMPRESSED_BEFORE),
        }
    }

    /// Its escapes are read in names of directories.
    fn listescape(&mut self) {
        let blocks = self.root.of_kind("plugin");
        let given = blocks.filter_map(|block| block.get("listescape_char")).last().map(str::to_owned);
        let escape = match &given {
            // A percent sign is written twice in such a block.
            Some(text) if text == "%%" => "%".to_owned(),
            Some(text) if !text.is_empty() => text.clone(),
            _ => "\\".to_owned(),
        };
        let mut from = vec![self.origin("mail_plugins")];
        from.extend(given.map(|text| self.origin_with_value("plugin listescape_char", &text)));
        self.draft.set("mail", "name-escape", escape, &from);
    }

    fn quota(&mut self) {
        let mut rules = self.rules_of_plugin();
        rules.extend(self.rules_of_2_4());
        // What stands with users counts before what stands in the plugin's settings.
        rules.append(&mut self.quota_rules);
        let (mut fields, mut origins, mut counts_trash) = (Vec::new(), Vec::new(), true);
        for rule in rules {
            let field = [(rule.key, rule.value)];
            match QuotaLimits::of_fields(&field) {
                Ok(Some(_)) => {
                    fields.extend(field);
                    origins.push(rule.origin);
                }
                Ok(None) if field[0].1.eq_ignore_ascii_case("Trash:ignore") => counts_trash = false,
                Ok(None) => self.draft.lose(rule.origin, "the quota is one for all mailboxes"),
                Err(why) => self.draft.lose(rule.origin, why),
            }
        }
        if let Ok(Some(limits)) = QuotaLimits::of_fields(&fields)
            && !limits.is_none()
        {
            self.draft.set("mail", "quota", limits.to_string(), &origins);
        }
        let from = [self.origin("mail_plugins")];
        self.draft.set("mail", "quota-counts-trash", counts_trash, &from);
    }

    fn rules_of_plugin(&mut self) -> Vec<QuotaRule> {
        let blocks: Vec<Block> = self.root.of_kind("plugin").cloned().collect();
        let mut rules = Vec::new();
        for setting in blocks.into_iter().flat_map(|block| block.settings) {
            let value = setting.value.unwrap_or_default();
            let place = format!("plugin {}", setting.key);
            let number = setting.key.strip_prefix("quota_rule");
            if number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
                let origin = self.origin_with_value(&place, &value);
                rules.push(QuotaRule { key: setting.key, value, origin });
            } else if setting.key == "quota" && !value.starts_with("maildir") {
                self.lose(&place, &value, "usage is kept in maildirsize, and counted anew");
            } else if setting.key.starts_with("quota") && setting.key != "quota" {
                self.lose(&place, &value, "the quota has limits of bytes and messages, no more");
            }
        }
        rules
    }

    /// `quota_storage_size` and `quota_message_count` of a block `quota`, or before the first.
    fn rules_of_2_4(&mut self) -> Vec<QuotaRule> {
        let blocks: Vec<Block> = self.root.of_kind("quota").cloned().collect();
        let mut rules = Vec::new();
        for (key, limit) in [("quota_storage_size", "bytes"), ("quota_message_count", "messages")] {
            let of_blocks = blocks.iter().filter_map(|block| {
                Some((format!("quota {}: {key}", block.name), block.get(key)?.to_owned()))
            });
            let mut given: Vec<(String, String)> = of_blocks.collect();
            given.extend(self.first(&[key]));
            for (setting, value) in given.into_iter().filter(|(_, value)| value != "unlimited") {
                match units::bytes(&value, 1) {
                    Some(number) => rules.push(QuotaRule {
                        key: "quota_rule".to_owned(),
                        value: format!("*:{limit}={number}"),
                        origin: self.origin_with_value(&setting, &value),
                    }),
                    None => self.lose(&setting, &value, "no limit that can be read"),
                }
            }
        }
        rules
    }
}
