// Package speechtest holds the suite that every speech.Recognizer passes, the makers of the speech that it is tested
// with, and the measure of its errors. It is for tests and benchmarks, not for the program.
package speechtest
