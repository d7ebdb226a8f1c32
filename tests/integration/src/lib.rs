//! Tests of Restante as a whole.
