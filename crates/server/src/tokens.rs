//! From settings to what checks access tokens.

use crate::settings::Configuration;
use auth::oauth::Tokens;
use std::sync::Arc;

/// `None` without `[oauth]`. Reads the authorities of the server that is asked, and no keys yet.
pub(crate) fn configure(configuration: &Configuration) -> Result<Option<Arc<Tokens>>, String> {
    let tokens = configuration.oauth.clone().map(Tokens::new).transpose();
    Ok(tokens.map_err(|problem| format!("[oauth]: {problem}"))?.map(Arc::new))
}

/// All that is wrong, as far as it can be seen without a token.
pub(crate) fn problems(configuration: &Configuration) -> Vec<String> {
    match configure(configuration) {
        Ok(tokens) => tokens.map(|tokens| tokens.problems()).unwrap_or_default(),
        Err(problem) => vec![problem],
    }
}
