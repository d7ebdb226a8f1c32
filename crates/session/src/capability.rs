//! Which capabilities are shown in which state.
