// Package pocketsphinx recognises US English offline with the program pocketsphinx_batch: one process a core, each of
// which loads its model once and is then fed short utterances. It decides what in the sound is speech, because the
// program invents words for anything that is not silent. How a video becomes sound, and what becomes of the
// words, is not decided here.
package pocketsphinx
