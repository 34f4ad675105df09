/** What makes a file known again after a reload: the same name, size and date. */
export function fingerprint(file: File): string {
  return `${file.name}-${file.size}-${file.lastModified}`.slice(-256);
}

/** Kinds of files without sound, by their first bytes. The server finds out what a file is from its content; this only spares the wait. */
const soundless: { kind: string; starts: number[] }[] = [
  { kind: 'a PDF document', starts: [0x25, 0x50, 0x44, 0x46] },
  { kind: 'a PNG picture', starts: [0x89, 0x50, 0x4e, 0x47] },
  { kind: 'a JPEG picture', starts: [0xff, 0xd8, 0xff] },
  { kind: 'a GIF picture', starts: [0x47, 0x49, 0x46, 0x38] },
  { kind: 'an archive or an office document', starts: [0x50, 0x4b, 0x03, 0x04] },
  { kind: 'an archive', starts: [0x1f, 0x8b] },
  { kind: 'an archive', starts: [0x37, 0x7a, 0xbc, 0xaf] },
  { kind: 'a program', starts: [0x4d, 0x5a] },
  { kind: 'a program', starts: [0x7f, 0x45, 0x4c, 0x46] },
];

const media = /\.(mp4|m4v|mov|mkv|webm|avi|ts|mts|m2ts|mpg|mpeg|wmv|flv|3gp|ogv|mp3|m4a|aac|wav|flac|ogg|oga|opus|wma|aiff?|amr|mka)$/i;

/** Why a file cannot have captions, or null where it may. Nothing is sent. */
export async function objection(file: File): Promise<string | null> {
  if (file.size === 0) return 'The file is empty, or it is a folder. Choose a video or sound file.';
  let head: Uint8Array;
  try {
    head = new Uint8Array(await file.slice(0, 16).arrayBuffer());
  } catch {
    return 'The browser cannot read the file. Was it moved, or is it open elsewhere? Choose it again.';
  }
  const known = soundless.find(({ starts }) => starts.every((byte, i) => head[i] === byte));
  if (known) return `This is ${known.kind}, which has no sound to caption. Choose a video or sound file.`;
  if (/^(text|image|font)\//.test(file.type) && !media.test(file.name)) {
    return `This is a file of type ${file.type}, which has no sound to caption. Choose a video or sound file.`;
  }
  return null;
}
