package subtitle

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// class is what a word may be, as far as a list can tell: some words are several things.
type class uint16

const (
	article      class = 1 << iota // and other words that announce a noun
	preposition                    // a break before it reads well
	conjunction                    // a break before it reads better
	joiner                         // a conjunction that begins a clause and never relates to a noun before it
	focus                          // even, just: binds to what follows
	pronoun                        // of a subject, whose verb follows
	auxiliary                      // whose verb follows; negations too
	number                         // in digits or words
	unit                           // what may follow a number and belongs to it
	label                          // what may precede a number and belongs to it: a month, page, chapter
	abbreviation                   // ends in a full stop and binds what follows: Mr., e.g., an initial; No. before a number
	dotted                         // has full stops within, so that the last one may or may not end a sentence: p.m., U.S.
	attached                       // binds to what precedes it: of, dashes
	capital                        // begins with a capital letter
)

// The lists are English. Other languages are cut by punctuation and pauses, which need no lists.
var classes = classIndex(map[class]string{
	article: `a an the this these those my your his its our their every each another some any both either neither
		such what very more most quite too`,
	preposition: `in on at to for with by from about into over after before under through between against during
		without within toward towards upon off onto across along around behind beside beyond near until till than
		like among despite per via inside outside`,
	conjunction: `and but or nor because although though while when where if unless that which who whom whose
		whether since as whereas so then how why`,
	joiner: `and but or nor because although though while when if unless since`,
	focus:  `even just only especially`,
	pronoun: `i you he she it we they there who i'm you're he's she's it's we're they're there's that's i've you've
		we've they've i'll you'll he'll she'll it'll we'll they'll i'd you'd he'd she'd we'd they'd let's what's`,
	auxiliary: `am is are was were be been being have has had having do does did will would shall should can could
		may might must not never cannot isn't aren't wasn't weren't haven't hasn't hadn't don't doesn't didn't won't
		wouldn't shan't shouldn't can't couldn't mightn't mustn't ain't gonna gotta wanna to`,
	number: `zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
		seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million
		billion trillion point`,
	unit: `percent % ‰ ° °c °f degrees degree hundred thousand million billion trillion dozen dollars dollar euros
		euro pounds pound cents pence yen rupees $ € £ ¥ km kilometers kilometres kilometer kilometre m meters metres
		meter metre cm centimeters centimetres mm millimeters millimetres miles mile feet foot ft inches inch yards mph
		kph km/h kg kilos kilograms kilogram g grams gram mg tons tonnes ounces oz lb lbs l liters litres liter litre ml
		seconds second secs sec s milliseconds ms minutes minute mins min hours hour hrs days day weeks week months month
		years year decades centuries o'clock a.m p.m am pm hz khz mhz ghz bytes kb mb gb tb kilobytes megabytes
		gigabytes terabytes bits volts v watts w kw kwh mw gw amps celsius fahrenheit x times st nd rd th bc ad bce ce`,
	label: `january february march april may june july august september october november december page chapter
		section number version figure room table level step part volume episode season line no nr vol fig pp`,
	abbreviation: `mr mrs ms dr prof st jr sr vs e.g i.e cf approx no nr vol fig pp gen col capt lt sgt rev hon gov
		sen rep dept est messrs mme mlle`,
	attached: `of - – —`,
})

func classIndex(lists map[class]string) map[string]class {
	index := map[string]class{}
	for c, list := range lists {
		for w := range strings.FieldsSeq(list) {
			index[w] |= c
		}
	}
	return index
}

const (
	opening = `"'“‘«‹([{¿¡「『（【〈《`
	closing = `"'”’»›)]}」』）】〉》`
)

func classify(text string) class {
	bare := strings.TrimRight(strings.TrimLeft(text, opening), closing+",.;:!?…")
	if bare == "" {
		return 0
	}
	c := classes[strings.ReplaceAll(strings.ToLower(bare), "’", "'")]
	first, size := utf8.DecodeRuneInString(bare)
	if unicode.IsUpper(first) {
		c |= capital
		if size == len(bare) && bare != "I" && strings.HasSuffix(text, ".") {
			c |= abbreviation // an initial
		}
	}
	if unicode.IsLetter(first) && strings.Contains(bare, ".") && strings.HasSuffix(text, ".") {
		c |= dotted
	}
	if startsNumber(bare) {
		c |= number
	}
	for _, part := range strings.FieldsFunc(strings.ToLower(bare), func(r rune) bool { return r == '-' }) {
		if strings.Contains(bare, "-") && classes[part]&number != 0 {
			c |= number // twenty-five
		}
	}
	return c
}

// startsNumber tells whether s is written in digits, with or without a currency or a sign: 12, 3.5, $5, -4, #7.
func startsNumber(s string) bool {
	s = strings.TrimLeft(s, "$€£¥#+-−~")
	return s != "" && s[0] >= '0' && s[0] <= '9'
}
