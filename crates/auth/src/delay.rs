//! Delays of failed log-ins, in bounded memory.
