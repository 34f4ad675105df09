// Package remote holds what speech engines behind HTTP have in common: sending sound as a stream without holding it, how
// many calls run at once, when a silent server is given up, which answers are worth another try, and words that keep
// within the sound. What a service calls its options, and how its answers read, is in the packages of the engines.
//
// Calls are made once. Whether and when to try again is decided in one place, by whoever holds the work: the workers'
// queue, which keeps no slot busy while it waits, or [Retrying] where there is no queue. Errors of the kinds
// [caption.KindUnavailable] and [caption.KindRateLimited] are those to try again.
package remote
