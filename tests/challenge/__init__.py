"""Tests of autograder/challenge: answers, limits, entries."""
