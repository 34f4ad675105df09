import type { JobOptions, Upload } from '../api/client';

export interface SignedPart {
  number: number;
  url: string;
  size: number;
}

/** The network as uploads see it. Failures are thrown as [Failure]. */
export interface Edge {
  /** The caller's uploads with this fingerprint. */
  find(fingerprint: string): Promise<Upload[]>;
  create(name: string, size: number, fingerprint: string): Promise<Upload>;
  /** One upload with the parts that have arrived. */
  get(id: string): Promise<Upload>;
  sign(id: string, numbers: number[]): Promise<SignedPart[]>;
  put(url: string, body: Blob, progress: (bytes: number) => void, signal: AbortSignal): Promise<void>;
  complete(id: string): Promise<void>;
  remove(id: string): Promise<void>;
  /** Whether captions of this upload were asked for before. */
  captioned(uploadId: string): Promise<boolean>;
  /** Asks for captions; the same upload and key again is the same request. */
  submit(uploadId: string, key: string, options: JobOptions): Promise<{ id: string }>;
}
