-- A large CRL is written anew with every revocation: compressing it takes longer than storing it.
ALTER TABLE "crls" ALTER COLUMN "der" SET STORAGE EXTERNAL;
