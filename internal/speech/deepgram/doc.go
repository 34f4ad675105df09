// Package deepgram recognises speech with Deepgram's service for recorded audio, or with a server of one's own that speaks
// the same protocol. The whole sound is one request, because that is how the service tells speakers apart, and it is
// sent as a stream. The service's options and answers are known here; connections and the kinds of failure are
// in package remote.
package deepgram
