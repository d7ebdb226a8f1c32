//! Password schemes: checking and making hashes.
