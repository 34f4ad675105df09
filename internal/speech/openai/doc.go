// Package openai recognises speech with any server that speaks the transcription protocol of OpenAI: OpenAI itself, Groq,
// vLLM, speaches, and the server of whisper.cpp. Where they differ is told to it by its settings or read from their answers:
// where words have no times of their own, those of the segment are spread over them. Connections and the kinds of failure are in
// package remote.
//
// The models behind these servers are of the Whisper family, which invents text for sound without speech ("Thank
// you."). A segment is left out where the model itself doubts it, by the rule of the original Whisper (the probability of
// no speech is above 0.6 and the average log probability of the words below -1), and where the sound that was sent is
// inaudible from the segment's start to its end, whatever the model says.
package openai
