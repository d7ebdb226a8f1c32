//! Names of mailboxes for special uses, as Outlook, Thunderbird, Apple Mail and webmails make them in
//! their languages. English comes first, then the names in use in German, French, Spanish, Italian,
//! Dutch, Polish, Portuguese, Russian, Swedish, Danish, Czech, Hungarian, Turkish, Japanese and
//! Chinese. Each is the default of a setting, as it would be written in the file.

pub(super) const DRAFTS: &str = "[\
     \"Drafts\", \"Entwürfe\", \"Brouillons\", \"Borradores\", \"Bozze\", \"Concepten\", \
     \"Szkice\", \"Wersje robocze\", \"Rascunhos\", \"Черновики\", \"Utkast\", \"Kladder\", \
     \"Koncepty\", \"Piszkozatok\", \"Taslaklar\", \"下書き\", \"草稿\", \"草稿箱\"]";

pub(super) const SENT: &str = "[\
     \"Sent\", \"Sent Messages\", \"Sent Items\", \"Gesendet\", \"Gesendete Elemente\", \
     \"Gesendete Objekte\", \"Envoyés\", \"Éléments envoyés\", \"Messages envoyés\", \"Enviados\", \
     \"Elementos enviados\", \"Mensajes enviados\", \"Inviata\", \"Posta inviata\", \"Verzonden\", \
     \"Verzonden items\", \"Wysłane\", \"Elementy wysłane\", \"Itens Enviados\", \
     \"Itens enviados\", \"Отправленные\", \"Skickat\", \"Skickade objekt\", \"Sendt\", \
     \"Sendt post\", \"Odeslané\", \"Odeslaná pošta\", \"Elküldött\", \"Elküldött elemek\", \
     \"Gönderilmiş\", \"Gönderilmiş Öğeler\", \"送信済み\", \"送信済みアイテム\", \"送信済みトレイ\", \"已发送\", \
     \"已发送邮件\", \"寄件備份\"]";

pub(super) const JUNK: &str = "[\
     \"Junk\", \"Spam\", \"Junk E-mail\", \"Junk-E-Mail\", \"Spamverdacht\", \"Indésirables\", \
     \"Courrier indésirable\", \"Correo no deseado\", \"Posta indesiderata\", \"Ongewenst\", \
     \"Ongewenste e-mail\", \"Niechciane\", \"Wiadomości-śmieci\", \"Lixo Eletrônico\", \
     \"Lixo eletrónico\", \"Спам\", \"Нежелательная почта\", \"Skräppost\", \"Uønsket\", \
     \"Uønsket mail\", \"Nevyžádaná pošta\", \"Levélszemét\", \"Gereksiz\", \"Gereksiz E-posta\", \
     \"迷惑メール\", \"垃圾邮件\", \"垃圾郵件\"]";

pub(super) const TRASH: &str = "[\
     \"Trash\", \"Deleted Messages\", \"Deleted Items\", \"Papierkorb\", \"Gelöschte Elemente\", \
     \"Gelöschte Objekte\", \"Corbeille\", \"Éléments supprimés\", \"Papelera\", \
     \"Elementos eliminados\", \"Cestino\", \"Posta eliminata\", \"Prullenbak\", \
     \"Verwijderde items\", \"Kosz\", \"Elementy usunięte\", \"Lixeira\", \"Itens Excluídos\", \
     \"Itens eliminados\", \"Корзина\", \"Удаленные\", \"Papperskorgen\", \"Borttagna objekt\", \
     \"Papirkurv\", \"Slettet post\", \"Koš\", \"Odstraněná pošta\", \"Kuka\", \"Törölt elemek\", \
     \"Çöp Kutusu\", \"Silinmiş Öğeler\", \"ごみ箱\", \"削除済みアイテム\", \"已删除\", \"已删除邮件\", \"刪除的郵件\"]";

pub(super) const ARCHIVE: &str = "[\
     \"Archive\", \"Archives\", \"Archiv\", \"Archivo\", \"Archivio\", \"Archief\", \"Archiwum\", \
     \"Arquivo\", \"Arquivo Morto\", \"Архив\", \"Arkiv\", \"Archív\", \"Archívum\", \"Arşiv\", \
     \"アーカイブ\", \"存档\", \"封存\"]";
