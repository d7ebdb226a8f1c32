//! The passwd file: Dovecot's passwd-file form.
