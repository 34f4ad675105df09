// Package pocketsphinx recognises US English offline with the pocketsphinx_batch program, one process a core, each of
// which loads its model once and is then fed short utterances. What to do with the words, and how a video becomes sound,
// is not decided here.
package pocketsphinx
