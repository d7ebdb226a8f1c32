//! The option `--config` of every command that reads the settings.

use crate::settings::{self, Configuration, DEFAULT_PATH};
use clap::Args;
use std::path::{Path, PathBuf};

/// Where the settings are.
#[derive(Args, Debug)]
pub(crate) struct ConfigFile {
    /// The configuration file, described in restante.toml(5).
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,
}

impl ConfigFile {
    /// The settings, or all that is wrong with them, a line each.
    pub(crate) fn read(&self) -> Result<Configuration, String> {
        settings::read_for_command(&self.config)
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.config
    }
}
