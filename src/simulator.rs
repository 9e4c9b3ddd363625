//! The stand-in for Docplanner.
