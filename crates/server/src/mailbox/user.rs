//! The user whose mailboxes a command is about.

use crate::config_file::ConfigFile;
use crate::settings::Configuration;
use crate::users::{ResolvedUser, Users, as_mail_user};
use clap::Args;
use std::sync::Arc;
use store::{Account, Store};

/// A user, and the configuration that knows them.
#[derive(Args, Debug)]
pub(crate) struct OneUser {
    /// The user, such as anna@example.com.
    #[arg(value_name = "USER")]
    user: String,
    #[command(flatten)]
    config: ConfigFile,
}

impl OneUser {
    /// Does something with the user's account, as the user of `[mail]`.
    pub(super) fn with_account(
        &self,
        work: impl FnOnce(&Configuration, &ResolvedUser, &Arc<Account>) -> Result<(), String> + Send,
    ) -> Result<(), String> {
        let configuration = self.config.read()?;
        as_mail_user(&configuration, || {
            let found = Users::open(&configuration).find(&self.user)?;
            let user = found.ok_or_else(|| format!("{}: no such user", self.user))?;
            let account = user.open(&Store::new(configuration.store.clone()), &configuration)?;
            let _entered = account.enter().map_err(|error| error.to_string())?;
            work(&configuration, &user, &account)
        })
    }
}
