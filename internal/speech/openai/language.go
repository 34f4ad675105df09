package openai

import (
	"strings"

	"k8s-scalers/internal/speech"
)

// whisperLanguages are the names by which servers tell the languages of Whisper, each after its code.
const whisperLanguages = "af afrikaans,am amharic,ar arabic,as assamese,az azerbaijani,ba bashkir,be belarusian,bg bulgarian,bn bengali," +
	"bo tibetan,br breton,bs bosnian,ca catalan,cs czech,cy welsh,da danish,de german,el greek,en english,es spanish," +
	"et estonian,eu basque,fa persian,fi finnish,fo faroese,fr french,gl galician,gu gujarati,ha hausa,haw hawaiian," +
	"he hebrew,hi hindi,hr croatian,ht haitian creole,hu hungarian,hy armenian,id indonesian,is icelandic,it italian,ja japanese," +
	"jv javanese,ka georgian,kk kazakh,km khmer,kn kannada,ko korean,la latin,lb luxembourgish,ln lingala,lo lao," +
	"lt lithuanian,lv latvian,mg malagasy,mi maori,mk macedonian,ml malayalam,mn mongolian,mr marathi,ms malay,mt maltese," +
	"my myanmar,ne nepali,nl dutch,nn nynorsk,no norwegian,oc occitan,pa punjabi,pl polish,ps pashto,pt portuguese," +
	"ro romanian,ru russian,sa sanskrit,sd sindhi,si sinhala,sk slovak,sl slovenian,sn shona,so somali,sq albanian," +
	"sr serbian,su sundanese,sv swedish,sw swahili,ta tamil,te telugu,tg tajik,th thai,tk turkmen,tl tagalog," +
	"tr turkish,tt tatar,uk ukrainian,ur urdu,uz uzbek,vi vietnamese,yi yiddish,yo yoruba,yue cantonese,zh chinese"

// languageCode returns the BCP 47 primary subtag of what a server tells: a code, or an English name. "" where it is neither.
func languageCode(told string) string {
	told = strings.ToLower(strings.TrimSpace(told))
	for entry := range strings.SplitSeq(whisperLanguages, ",") {
		code, name, _ := strings.Cut(entry, " ")
		if told == name {
			return code
		}
	}
	code := speech.PrimaryLanguage(told)
	if len(code) < 2 || len(code) > 3 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz") != "" || code == "und" {
		return ""
	}
	return code
}
