"""wflo: a small orchestration service for language-model workflows."""
