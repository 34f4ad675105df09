// Package subtitle makes captions that read well out of timed words, and writes and reads them as files: it cuts
// words into cues by a named [Profile], writes SRT, WebVTT, text and JSON, reads SRT and WebVTT, and checks cues that
// a person edited. It knows nothing of speech engines, jobs, storage or HTTP.
//
// [Cut] has four steps, one file each: words.go brings words into order, breaks.go prices a break between each two of
// them, cut.go finds the cheapest sequence of cues, and timing.go decides how long each stays on the screen.
package subtitle
